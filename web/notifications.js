import {control, copies, fill, find, findElement, onSubmit} from './dom.js';
import {curlLine, notificationRequest, send} from './curl.js';
import {System} from './system.js';
import {Toasts} from './toasts.js';

/** @typedef {import('./message.js').Content} Content */

/** Notifications sends them by HTTP, as curl would, and shows those that arrive. */
export class Notifications {
  #root = findElement(document, '#notifications');
  #form = find(this.#root, 'form', HTMLFormElement);
  #line = findElement(this.#root, '[data-part=curl]');
  #allow = find(this.#root, '[data-part=allow]', HTMLButtonElement);
  #toasts = new Toasts(findElement(document, '[data-part=toasts]'));
  #system;
  #base;
  #token;

  /**
   * @param {string} base the hub's address, ending in a slash
   * @param {() => string} token that is to be shown to the hub; '': none
   */
  constructor(base, token) {
    this.#base = base;
    this.#token = token;
    this.#system = new System(base, () => this.#explain('This browser shows no system notifications for pages.'));
    onSubmit(this.#form, () => this.#send());
    this.#form.addEventListener('input', () => this.#showLine());
    copies(findElement(this.#root, '[data-part=copy]'), this.#line);
    this.#allow.addEventListener('click', () => this.#ask());
    this.#showPermission();
    this.#showLine();
  }

  /** The channel to send to unless the reader has chosen one. @param {string} channel */
  suggest(channel) {
    control(this.#form, 'channel').defaultValue = channel;
    this.#showLine();
  }

  /** Which channels and patterns the page shows, so that no other tab need tell of them. @param {string[]} channels */
  shown(channels) {
    this.#system.watch(channels);
  }

  /**
   * Shows a notification that has arrived, in place of an earlier one with its tag.
   * @param {string} channel
   * @param {Content} content
   * @param {string} tag
   */
  show(channel, content, tag) {
    this.#toasts.show({channel, content, tag});
    this.#system.show(channel, content, tag);
  }

  /** Takes a notification away: it was deleted, or read elsewhere. @param {string} tag */
  dismiss(tag) {
    this.#toasts.remove(tag);
    this.#system.close(tag);
  }

  #request() {
    /** @param {string} name */
    const value = (name) => control(this.#form, name).value;
    return notificationRequest(this.#base, {
      channel: value('channel').trim(),
      message: value('message'),
      title: value('title'),
      priority: value('priority'),
      tags: value('tags'),
      click: value('click'),
      delay: value('delay').trim(),
    });
  }

  #showLine() {
    this.#line.textContent = curlLine(this.#request(), this.#token() !== '');
  }

  async #send() {
    const channel = control(this.#form, 'channel').value.trim();
    const response = await send(this.#request(), this.#token()).catch(() => {
      throw new Error('Not sent: the hub did not answer.');
    });
    const reply = await response.json().catch(() => ({}));
    if (!response.ok) throw new Error(`Not sent: ${reply.error ?? `status ${response.status}`}.`);
    if (reply.scheduled) return `Due ${new Date(reply.time * 1000).toLocaleString()}.`;
    return `${reply.duplicate ? 'Was sent' : 'Sent'} to ${channel}${reply.offset ? `, offset ${reply.offset}` : ''}.`;
  }

  async #ask() {
    await this.#system.ask();
    this.#showPermission();
  }

  #showPermission() {
    switch (this.#system.permission) {
      case 'unavailable': return this.#explain('System notifications need https or this machine’s own address.');
      case 'granted': return this.#explain('System notifications appear while this tab is hidden.');
      case 'denied': return this.#explain('System notifications are blocked in this browser’s settings.');
    }
  }

  /** @param {string} text */
  #explain(text) {
    this.#allow.hidden = true;
    fill(this.#root, 'permission', text);
  }
}
