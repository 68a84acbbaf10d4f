import {control, fill, find, findElement, messageOf, onSubmit, stamp, tell} from './dom.js';
import {contentOf, dataOf, isEvent, missed, tagOf} from './message.js';
import {Timeline} from './timeline.js';

/**
 * @typedef {import('./subscription.js').Position} Position
 * @typedef {import('./subscription.js').Publication} Publication
 * @typedef {import('./subscription.js').Subscription} Subscription
 *
 * Source is a channel or pattern that the feed shows. oldest is before what its older messages
 * lie; null until history was read, and once there is nothing older.
 * @typedef {{name: string, chip: HTMLElement, sub: Subscription, left: AbortController,
 *   opened: boolean, oldest: Position | null, remark: (text: string) => void}} Source
 *
 * Page is a part of a source's history, newest first, and whether there is more behind it.
 * @typedef {{source: Source, publications: Publication[], more: boolean}} Page
 */

const FIRST = 20; // messages read from history on opening
const PAGE = 50; // messages added by the button for older ones

/** Feed shows the live and the older messages of any channels and patterns, and publishes. */
export class Feed {
  #root = findElement(document, '#feed');
  #chips = findElement(this.#root, '[data-part=chips]');
  #older = find(this.#root, '[data-part=older]', HTMLButtonElement);
  #subscribeForm = find(this.#root, 'form[name=subscribe]', HTMLFormElement);
  #publishForm = find(this.#root, 'form[name=publish]', HTMLFormElement);
  #timeline = new Timeline(findElement(this.#root, '.log'), (oldest) => this.#trimmed(oldest));
  /** @type {Map<string, Source>} */
  #sources = new Map();
  #hub;
  #page;

  /**
   * @param {import('./fanfold.js').Fanfold} hub
   * @param {{identity: () => object, onChannels: (names: string[]) => void,
   *   onMessage: (channel: string, content: import('./message.js').Content, tag: string) => void,
   *   onGone: (tag: string) => void}} page
   *   identity describes this client in a channel; onChannels is told the channels when they
   *   have changed, onMessage each message that arrives, onGone of each that was deleted or read
   */
  constructor(hub, page) {
    this.#hub = hub;
    this.#page = page;
    this.#older.addEventListener('click', () => this.#showOlder());
    onSubmit(this.#subscribeForm, () => this.#subscribe());
    onSubmit(this.#publishForm, () => this.#publish());
  }

  /** The channels and patterns shown. */
  get channels() {
    return [...this.#sources.keys()];
  }

  /** Shows a channel or pattern too. @param {string} name */
  add(name) {
    if (this.#sources.has(name)) return;
    const left = new AbortController();
    const sub = this.#hub.subscribe(name, {data: this.#page.identity()});
    /** @type {Source} */
    const source = {name, sub, left, chip: this.#chip(name), opened: false, oldest: null, remark: () => {}};
    this.#sources.set(name, source);
    sub.on('subscribed', (recovered) => this.#flows(source, recovered), left.signal);
    sub.on('recovered', (count) => source.remark(`${name}: ${missed(count)} recovered`), left.signal);
    sub.on('suspended', () => this.#show(source, 'waiting'), left.signal);
    sub.on('message', (publication) => this.#arrive(source, publication), left.signal);
    sub.on('ended', (error) => this.#refused(source, error), left.signal);
    this.#show(source, 'waiting');
    if (sub.state === 'subscribed') this.#flows(source, null);
    this.#changed();
  }

  /** Says in every channel who this client is by now. */
  introduce() {
    for (const {sub} of this.#sources.values()) this.#hub.renew(sub, this.#page.identity());
  }

  #subscribe() {
    const input = control(this.#subscribeForm, 'channel');
    const name = input.value.trim();
    if (this.#sources.has(name)) return `${name} is in the feed already.`;
    input.value = '';
    this.add(name);
    return '';
  }

  async #publish() {
    const input = control(this.#publishForm, 'message');
    const channel = control(this.#publishForm, 'channel').value.trim();
    const text = input.value;
    try {
      await this.#hub.publish(channel, dataOf(text));
    } catch (error) {
      throw new Error(`Not published: ${messageOf(error)}.`);
    }
    if (input.value === text) input.value = '';
    return `Published to ${channel}.`;
  }

  /** @param {string} name */
  #chip(name) {
    const chip = stamp('chip');
    const link = /** @type {HTMLAnchorElement} */ (fill(chip, 'name', name));
    link.href = encodeURIComponent(name);
    const button = findElement(chip, 'button');
    button.setAttribute('aria-label', `Unsubscribe from ${name}`);
    button.addEventListener('click', () => {
      this.#remove(name);
      control(this.#subscribeForm, 'channel').focus();
    });
    this.#chips.append(chip);
    return chip;
  }

  /** @param {Source} source @param {'live' | 'waiting'} state */
  #show({chip}, state) {
    chip.dataset.state = state;
    fill(chip, 'state', state);
  }

  /** @param {string} name */
  #remove(name) {
    const source = this.#sources.get(name);
    if (!source) return;
    source.left.abort();
    source.chip.remove();
    this.#sources.delete(name);
    this.#hub.unsubscribe(source.sub);
    this.#changed();
  }

  /** @param {Source} source @param {Error} error */
  #refused({name}, error) {
    this.#remove(name);
    this.#complain(`Not subscribed to ${name}`, error);
  }

  #changed() {
    const names = this.channels;
    this.#root.toggleAttribute('data-one', names.length === 1 && !isPattern(names[0] ?? ''));
    this.#chips.toggleAttribute('data-empty', names.length === 0);
    control(this.#publishForm, 'channel').defaultValue = names.find((name) => !isPattern(name)) ?? '';
    this.#offerOlder();
    this.#page.onChannels(names);
  }

  /** @param {Source} source @param {Publication} publication */
  #arrive(source, publication) {
    if (source.sub.missed === 1) source.remark = this.#timeline.note(`${source.name}: missed messages`, 'good');
    const channel = publication.channel ?? source.name;
    const overlaps = channel !== source.name && this.#sources.has(channel);
    if (overlaps && !publication.offset) return; // the timeline can't tell that it is the same one
    const epoch = source.sub.position?.epoch ?? '';
    const tag = tagOf(channel, epoch, publication);
    const isNew = this.#timeline.arrive({channel, epoch, publication});
    if (isNew) this.#page.onMessage(channel, contentOf(publication.data), tag);
    if (isEvent(publication.data)) this.#page.onGone(tag);
  }

  /** @param {Source} source @param {boolean | null} recovered */
  #flows(source, recovered) {
    this.#show(source, 'live');
    source.remark = () => {};
    const gap = `${source.name}: history did not reach back; messages may be missing here`;
    if (recovered === false) this.#timeline.note(gap, 'gap');
    if (recovered === false || !source.opened) this.#open(source);
  }

  /** Shows the latest messages. @param {Source} source */
  async #open(source) {
    try {
      this.#insert([await this.#read(source, FIRST, null)], FIRST);
      source.opened = true;
    } catch (error) {
      if (this.#hub.state !== 'connected') return; // the next connection opens it again
      this.#complain(`${source.name}: history could not be read`, error);
    }
  }

  /** Shows the newest of all that is older than what is shown. */
  async #showOlder() {
    this.#older.disabled = true;
    const sources = [...this.#sources.values()].filter(({oldest}) => oldest);
    try {
      const pages = await Promise.all(sources.map((source) => this.#read(source, PAGE, source.oldest)));
      this.#insert(pages, PAGE);
    } catch (error) {
      this.#complain('Older messages could not be read', error);
    }
    this.#offerOlder();
  }

  /**
   * Reads a page of history. Long messages come fewer at a time, so only an empty answer is the end.
   * @param {Source} source
   * @param {number} limit
   * @param {Position | null} since
   * @returns {Promise<Page>}
   */
  async #read(source, limit, since) {
    /** @type {Publication[]} */
    const publications = [];
    const epoch = source.sub.position?.epoch ?? '';
    while (publications.length < limit) {
      const some = await this.#hub.history(source.name, {limit: limit - publications.length, reverse: true, since});
      publications.push(...some);
      const last = some.at(-1);
      if (!last?.offset) return {source, publications, more: false};
      since = {offset: last.offset, epoch};
    }
    return {source, publications, more: true};
  }

  /**
   * Shows the newest of some pages of history. Only so do they meet what is shown without a hole;
   * the rest is read again when its turn comes.
   * @param {Page[]} pages
   * @param {number} most
   */
  #insert(pages, most) {
    const all = pages.flatMap(({source, publications}) => publications.map((publication) => ({source, publication})));
    const newest = all.sort((a, b) => (b.publication.time ?? 0) - (a.publication.time ?? 0)).slice(0, most);
    for (const {source, publications, more} of pages) {
      const shown = newest.filter((item) => item.source === source);
      const offset = shown.at(-1)?.publication.offset;
      if (offset) source.oldest = {offset, epoch: source.sub.position?.epoch ?? ''};
      if (!more && shown.length === publications.length) source.oldest = null;
    }
    this.#timeline.insert(newest.map(({source, publication}) => (
      {channel: publication.channel ?? source.name, epoch: source.sub.position?.epoch ?? '', publication}
    )));
    this.#offerOlder();
  }

  /** @param {string} what @param {unknown} error */
  #complain(what, error) {
    tell(this.#subscribeForm, 'alert', `${what}: ${messageOf(error)}.`);
  }

  /** @param {Position} oldest */
  #trimmed({offset, epoch}) {
    for (const source of this.#sources.values()) if (offset) source.oldest = {offset, epoch};
    this.#offerOlder();
  }

  #offerOlder() {
    const some = [...this.#sources.values()].some(({oldest}) => oldest);
    this.#older.disabled = !some;
    this.#older.textContent = some ? 'Older messages' : 'No older messages';
  }
}

/** @param {string} name */
export function isPattern(name) {
  return /[*>]/.test(name);
}
