import {partsOf} from './document.js';

/**
 * Entry is an operation that waits until it comes back in the channel. answered: the hub has
 * taken it, on this connection.
 * @typedef {{operation: import('./document.js').Operation, parts: import('./document.js').Parts,
 *   bytes: number, answered: boolean}} Entry
 */

/** Bounds of what waits. */
export const MOST_WAITING = 1_000;
export const MOST_WAITING_BYTES = 512 * 1024;

/**
 * Queue holds what a replica has not seen in its channel yet, in a storage that outlives the tab.
 *
 * Each queue has a replica id of its own, and each operation a key of its own there. A lock in its
 * name says that its tab lives; a queue without one is adopted by the next that looks. An operation
 * keeps its replica and its number, so that one which two tabs send counts once. That is why,
 * where the browser has no locks (plain http beyond this machine), others' queues are adopted without
 * asking: it can cost a repetition and nothing else.
 */
export class Queue {
  /** Names the replica whose operations these are. */
  by = newId();
  /** @type {Entry[]} in the order in which they are to be published */
  entries = [];
  #bytes = 0;
  #last = 0;
  #prefix;
  #storage;
  #locks;
  /** @type {Promise<Entry[]>} */
  #adopting = Promise.resolve([]);
  /** @type {Set<string>} replicas whose lock this queue has */
  #held = new Set();
  #close = () => {};
  #closed = new Promise((/** @type {(value?: unknown) => void} */ resolve) => (this.#close = resolve));

  /**
   * @param {string} channel
   * @param {Storage | null} storage null: nothing outlives the tab
   * @param {LockManager | undefined} locks undefined: the browser has none
   */
  constructor(channel, storage, locks) {
    this.#prefix = `fanfold:${channel}:`;
    this.#storage = storage;
    this.#locks = locks;
    this.#hold(this.by);
  }

  /**
   * Adds an operation of this replica's own.
   * @param {import('./document.js').Change} change @param {import('./document.js').Parts} parts
   * @returns {Entry}
   * @throws {Error} if there is no room; nothing was added then
   */
  add(change, parts) {
    const operation = {by: this.by, n: this.#last + 1, ...change};
    const text = JSON.stringify(operation);
    if (!this.#hasRoom(text)) {
      throw new Error(`${this.entries.length} changes wait for the hub already: more can be made once it has taken those`);
    }
    try {
      this.#storage?.setItem(this.#key(operation), text);
    } catch {
      throw new Error('this browser has no room to keep a change until the hub has taken it: free some, or connect first');
    }
    this.#last++;
    const entry = {operation, parts, bytes: text.length, answered: false};
    this.#append([entry]);
    return entry;
  }

  /** Forgets an operation, which has come or never will. @param {Entry} entry @returns {boolean} whether it was there */
  remove(entry) {
    const i = this.entries.indexOf(entry);
    if (i < 0) return false;
    this.entries.splice(i, 1);
    this.#bytes -= entry.bytes;
    this.#storage?.removeItem(this.#key(entry.operation));
    return true;
  }

  /** Goes on under another id, as somebody else has used this one. */
  rename() {
    this.by = newId();
    this.#last = 0;
    this.#hold(this.by);
  }

  /** Whether somebody else has used this queue's id. @param {number} n that was seen of it */
  isForged(n) {
    return n > this.#last;
  }

  /** Takes over what tabs that are gone have left, before what waits here. @returns {Promise<Entry[]>} */
  adopt() {
    this.#adopting = this.#adopting.then(() => this.#takeOver());
    return this.#adopting;
  }

  async #takeOver() {
    const adopted = [];
    for (const [by, numbers] of this.#others()) {
      if (!await this.#hold(by)) continue;
      for (const n of numbers) {
        const entry = this.#read({by, n});
        if (entry) adopted.push(entry);
      }
    }
    this.entries.unshift(...adopted);
    return adopted;
  }

  /** Lets others adopt what still waits. */
  close() {
    this.#close();
  }

  /** @param {{by: string, n: number}} operation */
  #key({by, n}) {
    return `${this.#prefix}${by}:${n}`;
  }

  /** @param {string} text */
  #hasRoom(text) {
    return this.entries.length < MOST_WAITING && this.#bytes + text.length <= MOST_WAITING_BYTES;
  }

  /** @param {Entry[]} entries */
  #append(entries) {
    this.entries.push(...entries);
    for (const {bytes} of entries) this.#bytes += bytes;
  }

  /** What is stored of other replicas and not here yet: their numbers, rising. @returns {Map<string, number[]>} */
  #others() {
    /** @type {Map<string, number[]>} */
    const others = new Map();
    const known = new Set(this.entries.map(({operation}) => this.#key(operation)));
    for (const key of keysOf(this.#storage)) {
      const [, by = '', n = ''] = key.startsWith(this.#prefix) ? /^(\w[\w-]*):(\d+)$/.exec(key.slice(this.#prefix.length)) ?? [] : [];
      if (!by || by === this.by || known.has(key)) continue;
      others.set(by, [...others.get(by) ?? [], Number(n)].sort((a, b) => a - b));
    }
    return others;
  }

  /** Reads a stored operation, if there is room; one that is damaged goes. @param {{by: string, n: number}} name */
  #read(name) {
    const text = this.#storage?.getItem(this.#key(name));
    if (!text || !this.#hasRoom(text)) return null;
    const operation = parse(text);
    const parts = operation && partsOf(operation);
    if (!parts || operation.by !== name.by || operation.n !== name.n) {
      this.#storage?.removeItem(this.#key(name));
      return null;
    }
    this.#bytes += text.length;
    return {operation, parts, bytes: text.length, answered: false};
  }

  /** Takes the lock of a replica until close. @param {string} by @returns {Promise<boolean>} whether its tab is gone */
  #hold(by) {
    if (!this.#storage || !this.#locks || this.#held.has(by)) return Promise.resolve(true);
    const locks = this.#locks;
    return new Promise((resolve) => {
      locks.request(this.#prefix + by, {ifAvailable: true}, (lock) => {
        if (lock) this.#held.add(by);
        resolve(lock !== null);
        return lock ? this.#closed : undefined;
      }).catch(() => resolve(false)); // the document is not active any more
    });
  }
}

/** A new name of a replica or an object, which nobody else has. */
export function newId() {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => letters[byte % 52]).join('');
}

/** @param {Storage | null} storage */
function keysOf(storage) {
  return Array.from({length: storage?.length ?? 0}, (_, i) => storage?.key(i) ?? '');
}

/** @param {string} text */
function parse(text) {
  try {
    return Object(JSON.parse(text));
  } catch {
    return null;
  }
}
