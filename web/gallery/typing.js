import {nameOf} from '../message.js';

const AGAIN = 2_000; // ms between two notes that one is still typing
const FORGOTTEN = 5_000; // ms after which somebody who says no more has stopped
const MOST = 50; // people that are kept account of
const MOST_NAMED = 2;

/**
 * Typing tells the others in a room that one is typing, and shows who else is. It goes over a
 * live channel: nobody wants to know later.
 */
export class Typing {
  #hub;
  #channel;
  #show;
  #sub;
  #left = new AbortController();
  #saidAt = 0; // ms since 1970; 0: the others think that one is not typing
  /** @type {Map<string, {name: string, timer: ReturnType<typeof setTimeout>}>} by client id */
  #others = new Map();

  /**
   * @param {import('../fanfold.js').Fanfold} hub
   * @param {string} room
   * @param {{name: string}} identity of the reader
   * @param {(text: string) => void} show is told who is typing; '': nobody
   */
  constructor(hub, room, identity, show) {
    this.#hub = hub;
    this.#channel = `gallery.live.typing.${room}`;
    this.#show = show;
    this.#sub = hub.subscribe(this.#channel, {data: identity});
    const until = this.#left.signal;
    this.#sub.on('message', (publication) => this.#hear(publication), until);
    this.#sub.on('suspended', () => this.#forgetAll(), until);
    this.#sub.on('ended', (error) => show(`Who is typing can’t be shown: ${error.message}.`), until);
    show('');
  }

  /** Goes by another name. @param {{name: string}} identity */
  introduce(identity) {
    this.#hub.renew(this.#sub, identity);
  }

  /** Takes note of what is in the field now. @param {string} text that is not sent yet */
  typed(text) {
    const now = Date.now();
    if (text === '' ? this.#saidAt === 0 : now - this.#saidAt < AGAIN) return;
    this.#saidAt = text === '' ? 0 : now;
    this.#hub.publish(this.#channel, {typing: text !== ''}).catch(() => {}); // nobody misses it
  }

  /** Leaves the room. */
  leave() {
    this.typed('');
    this.#left.abort();
    this.#hub.unsubscribe(this.#sub);
    this.#forgetAll();
  }

  /** @param {import('../subscription.js').Publication} publication */
  #hear({data, info}) {
    const stale = this.#sub.missed !== null; // a hub without this channel's rule has stored it
    if (!info || info.client === this.#hub.id || stale) return;
    this.#forget(info.client);
    if (data?.typing === true && this.#others.size < MOST) {
      const timer = setTimeout(() => this.#forget(info.client), FORGOTTEN);
      this.#others.set(info.client, {name: nameOf(info) || info.user || 'Somebody', timer});
    }
    this.#tell();
  }

  /** @param {string} client */
  #forget(client) {
    clearTimeout(this.#others.get(client)?.timer);
    this.#others.delete(client);
    this.#tell();
  }

  #forgetAll() {
    for (const client of [...this.#others.keys()]) this.#forget(client);
  }

  #tell() {
    this.#show(sentence([...this.#others.values()].map(({name}) => name)));
  }
}

/** @param {string[]} names */
export function sentence(names) {
  if (names.length === 0) return '';
  const named = names.slice(0, MOST_NAMED);
  if (names.length > MOST_NAMED) return `${named.join(', ')} and ${names.length - MOST_NAMED} more are typing…`;
  return `${named.join(' and ')} ${names.length === 1 ? 'is' : 'are'} typing…`;
}
