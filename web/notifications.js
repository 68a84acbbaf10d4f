import {control, copies, fill, find, findElement, onSubmit, stamp} from './dom.js';
import {curlLine, notificationRequest, send} from './curl.js';
import {fillExtras} from './timeline.js';

/** @typedef {import('./message.js').Content} Content */

const MOST_TOASTS = 3;
const SHOWN = 7_000; // ms; the most urgent ones stay until dismissed
const URGENT = 5;
const PRIORITY_NAMES = ['', 'min priority', 'low priority', '', 'high priority', 'max priority'];

/** Notifications sends them by HTTP, as curl would, and shows those that arrive. */
export class Notifications {
  #root = findElement(document, '#notifications');
  #form = find(this.#root, 'form', HTMLFormElement);
  #line = findElement(this.#root, '[data-part=curl]');
  #allow = find(this.#root, '[data-part=allow]', HTMLButtonElement);
  #toasts = findElement(document, '[data-part=toasts]');
  #base;
  #token;

  /**
   * @param {string} base the hub's address, ending in a slash
   * @param {() => string} token that is to be shown to the hub; '': none
   */
  constructor(base, token) {
    this.#base = base;
    this.#token = token;
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

  /**
   * Shows a notification that has arrived.
   * @param {string} channel
   * @param {Content} content
   */
  show(channel, content) {
    this.#toast(channel, content);
    if (document.hidden) this.#showSystem(channel, content);
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

  /** @param {string} channel @param {Content} content */
  #toast(channel, content) {
    const toast = stamp('toast');
    toast.dataset.priority = String(content.priority);
    fill(toast, 'channel', channel);
    fill(toast, 'priority', PRIORITY_NAMES[content.priority] ?? '');
    fill(toast, 'title', content.title);
    fill(toast, 'text', content.text);
    fillExtras(toast, content);
    findElement(toast, 'button').addEventListener('click', () => toast.remove());
    this.#toasts.append(toast);
    while (this.#toasts.childElementCount > MOST_TOASTS) this.#toasts.firstElementChild?.remove();
    if (content.priority < URGENT) dismissLater(toast);
  }

  /** @param {string} channel @param {Content} content */
  #showSystem(channel, {title, text, click}) {
    if (!('Notification' in window) || Notification.permission !== 'granted') return;
    try {
      const shown = new Notification(title || channel, {body: text, tag: `${channel} ${text}`});
      shown.onclick = () => (click ? open(click, '_blank', 'noopener') : focus());
    } catch { // phones allow them from a service worker only
      this.#explain('This browser shows no system notifications for pages.');
    }
  }

  async #ask() {
    await Notification.requestPermission();
    this.#showPermission();
  }

  #showPermission() {
    if (!('Notification' in window && isSecureContext)) {
      return this.#explain('System notifications need https or this machine’s own address.');
    }
    switch (Notification.permission) {
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

/** Removes a toast once it has been in view for a while and nobody is at it. @param {HTMLElement} toast */
function dismissLater(toast) {
  setTimeout(() => {
    if (document.hidden || toast.matches(':hover, :focus-within')) dismissLater(toast);
    else toast.remove();
  }, SHOWN);
}
