import {NO_ANSWER, NO_CONNECTION} from '../fanfold.js';
import {Retry} from '../retry.js';
import {Emitter, FanfoldError} from '../subscription.js';
import {Document, MOST_BYTES, MOST_OBJECTS, fits, partsOf, same, sizeOfObject, step, touched} from './document.js';
import {Queue, newId} from './queue.js';
import {Undo} from './undo.js';

/**
 * @typedef {import('./document.js').Change} Change
 * @typedef {import('./document.js').Fields} Fields
 * @typedef {import('./queue.js').Entry} Entry
 * @typedef {import('../subscription.js').Publication} Publication
 *
 * State: loading until all is read; live; offline while messages do not flow; refused, for good,
 * if the channel can't be read.
 * @typedef {'loading' | 'live' | 'offline' | 'refused'} State
 *
 * Events: change tells which objects are not as they were, once for all that came at a time; state
 * comes when the state or the number of waiting changes is another; error says that a change was taken
 * back, or why the document can't be read.
 * @typedef {{change: {ids: Set<string>}, state: {state: State, pending: number}, error: Error}} ReplicaEvents
 */

const PAGE = 300; // messages read from history at a time
const MOST_HELD = 5_000; // messages that come while history is read; with more, it is read anew
const UNRECOVERABLE = 112; // what was to be read has been replaced by a snapshot

/**
 * Replica is this tab's copy of a document that is shared over a channel. It shows what the hub
 * has confirmed with its own waiting changes on top, in any state: changes are made at once, and published
 * in order when there is a connection. See document.js for the rules.
 *
 *     const list = new Replica(hub, 'gallery.document.todo.x');
 *     list.on('change', ({ids}) => { for (const id of ids) show(id, list.objects.get(id)); });
 *     const id = list.make({text: 'Milk'});
 *     list.set(id, {done: true});
 *     list.undo();
 *
 * make, set, drop, change, undo and redo throw an Error for the reader, and do nothing, if the
 * change is malformed or there is no room for it.
 * @extends {Emitter<ReplicaEvents>}
 */
export class Replica extends Emitter {
  /** @type {State} */
  state = 'loading';
  #hub;
  #channel;
  #sub;
  #queue;
  #undo = new Undo();
  #confirmed = new Document();
  #offset = 0; // of the last message in it
  #whole = false; // whether nothing before that is missing in it
  /** @type {Map<string, Fields>} confirmed, with what waits on top */
  #view = new Map();
  #viewBytes = 0;
  /** @type {WeakMap<Entry, import('./undo.js').Step>} what own entries did */
  #steps = new WeakMap();
  /** @type {Set<string>} ids to tell of */
  #changed = new Set();
  /** @type {Publication[] | null} what came while history is read; null: it is not */
  #held = null;
  #loads = 0;
  #publishing = false;
  #left = new AbortController();
  #readAgain = new Retry(() => this.#load());
  #publishAgain = new Retry(() => this.#publish());

  /**
   * @param {import('../fanfold.js').Fanfold} hub
   * @param {string} channel that is stored
   * @param {{storage?: Storage | null, locks?: LockManager}} [options] storage is where changes that wait
   *   outlive the tab; null: nowhere
   */
  constructor(hub, channel, {storage = localStorageOrNull(), locks = globalThis.navigator?.locks} = {}) {
    super();
    this.#hub = hub;
    this.#channel = channel;
    this.#queue = new Queue(channel, storage, locks);
    this.#sub = hub.subscribe(channel);
    const {signal} = this.#left;
    this.#sub.on('message', (publication) => this.#receive(publication), signal);
    this.#sub.on('subscribed', (recovered) => recovered && this.#whole ? this.#become('loading') : this.#load(), signal);
    this.#sub.on('recovered', () => this.#whole && this.#flow(), signal);
    this.#sub.on('suspended', () => this.#suspend(), signal);
    this.#sub.on('ended', (error) => this.#refuse(error), signal);
    if (this.#sub.state === 'subscribed') this.#load();
    this.#adopt();
  }

  /** The objects by their ids, each frozen. @returns {ReadonlyMap<string, Fields>} */
  get objects() {
    return this.#view;
  }

  /** How many changes wait to come back from the hub. */
  get pending() {
    return this.#queue.entries.length;
  }

  get canUndo() {
    return this.#undo.canUndo;
  }

  get canRedo() {
    return this.#undo.canRedo;
  }

  /** Makes an object. @param {Record<string, any>} fields @returns {string} its id */
  make(fields) {
    const id = newId();
    this.change({make: {[id]: fields}});
    return id;
  }

  /** Sets fields of an object; those that are null go. @param {string} id @param {Record<string, any>} fields */
  set(id, fields) {
    this.change({set: {[id]: fields}});
  }

  /** Drops an object. @param {string} id */
  drop(id) {
    this.change({drop: [id]});
  }

  /** Makes several changes as one operation, which is undone as one. @param {Change} change */
  change(change) {
    this.#undo.did(this.#perform(change));
  }

  /** Takes back this replica's last change; see Undo for the rules. */
  undo() {
    this.#undo.undo(this.#view, (change) => this.#perform(change));
  }

  /** Takes back the last undo. */
  redo() {
    this.#undo.redo(this.#view, (change) => this.#perform(change));
  }

  /** Leaves the document. Changes that wait are left to the next replica with this storage. */
  close() {
    this.#left.abort();
    this.#loads++;
    this.#readAgain.cancel();
    this.#publishAgain.cancel();
    this.state = 'offline';
    this.#hub.unsubscribe(this.#sub);
    this.#queue.close();
  }

  /** @param {Change} change @returns {import('./undo.js').Step} */
  #perform(change) {
    const own = compact(change);
    const parts = partsOf(own);
    if (!parts) throw new Error('a change must name its objects and fields with letters and digits, and hold nothing but JSON');
    const after = new Map([...touched(parts)].map((id) => [id, step(this.#view.get(id), id, parts)]));
    if (!fits(this.#view, this.#viewBytes, after)) throw new Error(full());
    const before = [...after].map(([id, fields]) => ({id, before: this.#view.get(id), after: fields}));
    const entry = this.#queue.add(own, parts);
    this.#steps.set(entry, before);
    this.#refresh(after.keys());
    this.#report();
    this.#publish();
    return before;
  }

  /** Reads the document anew, and then goes on with what came meanwhile. */
  async #load() {
    const load = ++this.#loads; // what an earlier one reads does not count any more
    this.#readAgain.cancel();
    this.#become('loading');
    this.#whole = false;
    this.#held = [];
    try {
      const document = new Document();
      const offset = await this.#read(document, () => load === this.#loads);
      if (load === this.#loads) this.#loaded(document, offset);
    } catch (error) {
      if (load === this.#loads) this.#notRead(error);
    }
  }

  /** @param {Document} document @param {() => boolean} wanted @returns {Promise<number>} the last offset */
  async #read(document, wanted) {
    const {position} = this.#sub;
    if (!position) throw new FanfoldError(0, `the hub does not keep what is published in ${this.#channel}`);
    const {offset: top, epoch} = position; // as of now: it moves on
    for (let offset = 0; ;) {
      const since = offset ? {offset, epoch} : null;
      const page = await this.#hub.history(this.#channel, {limit: PAGE, since});
      for (const {data, info} of page) document.apply(data, !info); // of a client there is an info
      offset = page.at(-1)?.offset ?? offset;
      if (page.length === 0 || offset >= top || !wanted()) return offset;
    }
  }

  /** @param {Document} document @param {number} offset up to which it was read */
  #loaded(document, offset) {
    const ids = new Set([...this.#view.keys(), ...document.objects.keys()]);
    const later = this.#held ?? [];
    this.#held = null;
    this.#confirmed = document;
    this.#offset = offset;
    this.#whole = true;
    this.#settle(ids);
    this.#refresh(ids);
    for (const publication of later) this.#receive(publication);
    this.#flow();
  }

  /** @param {unknown} error */
  #notRead(error) {
    if (this.#hub.state !== 'connected') return; // the next connection reads again
    const {code = 0, temporary = false} = error instanceof FanfoldError ? error : {};
    if (temporary || code === NO_ANSWER || code === UNRECOVERABLE) this.#readAgain.schedule();
    else this.#refuse(/** @type {Error} */ (error));
  }

  /** All that the hub had has come. */
  #flow() {
    this.#readAgain.succeeded();
    for (const entry of this.#queue.entries) entry.answered = false; // by now it would have come
    this.#become('live');
    this.#publish();
    this.#adopt();
  }

  #suspend() {
    this.#loads++;
    this.#held = null;
    this.#readAgain.cancel();
    this.#publishAgain.cancel();
    this.#become('offline');
  }

  /** @param {Error} error */
  #refuse(error) {
    this.#held = null;
    this.#become('refused');
    this.emit('error', error);
  }

  /** @param {Publication} publication */
  #receive(publication) {
    if (this.#held) {
      this.#held.push(publication);
      if (this.#held.length > MOST_HELD) this.#load();
      return;
    }
    const {offset = 0, data, info} = publication;
    if (!this.#whole || offset <= this.#offset) return; // without an offset it is not stored: others can't have it
    this.#offset = offset;
    const effect = this.#confirmed.apply(data, !info);
    if (!effect) return;
    const ids = new Set(effect.ids);
    if (effect.by === this.#queue.by && this.#queue.isForged(effect.n)) this.#queue.rename();
    for (const entry of this.#settle(ids)) {
      const {by, n} = entry.operation;
      if (effect.full && by === effect.by && n === effect.n) this.#takeBack(entry, new Error(full()));
    }
    this.#refresh(ids);
  }

  /** Takes out of the queue what is confirmed by now. @param {Set<string>} ids to which it adds what that touched */
  #settle(ids) {
    const seen = this.#queue.entries.filter(({operation: {by, n}}) => n <= (this.#confirmed.seen.get(by) ?? 0));
    for (const entry of seen) {
      this.#queue.remove(entry);
      for (const id of touched(entry.parts)) ids.add(id);
    }
    if (seen.length > 0) this.#report();
    return seen;
  }

  /** Works out anew what is shown of some objects. @param {Iterable<string>} ids */
  #refresh(ids) {
    for (const id of ids) {
      const before = this.#view.get(id);
      let fields = this.#confirmed.objects.get(id);
      for (const {parts} of this.#queue.entries) fields = step(fields, id, parts);
      if (same(fields, before)) continue;
      this.#viewBytes += sizeOfObject(id, fields) - sizeOfObject(id, before);
      if (fields) this.#view.set(id, fields);
      else this.#view.delete(id);
      if (this.#changed.size === 0) queueMicrotask(() => this.#tell());
      this.#changed.add(id);
    }
  }

  #tell() {
    const ids = this.#changed;
    this.#changed = new Set();
    if (!this.#left.signal.aborted) this.emit('change', {ids});
  }

  /** Publishes what waits, one after the other: a later one must not overtake. */
  async #publish() {
    if (this.#publishing) return;
    this.#publishing = true;
    for (let entry = this.#next(); entry; entry = this.#next()) {
      try {
        await this.#hub.publish(this.#channel, entry.operation);
        entry.answered = true;
        this.#publishAgain.succeeded();
      } catch (error) {
        if (!this.#notPublished(entry, /** @type {FanfoldError} */ (error))) break;
      }
    }
    this.#publishing = false;
  }

  #next() {
    return this.state === 'live' ? this.#queue.entries.find(({answered}) => !answered) : undefined;
  }

  /** @param {Entry} entry @param {FanfoldError} error @returns {boolean} whether to go on with the next */
  #notPublished(entry, error) {
    if (error.code === NO_CONNECTION) return false; // the next one publishes again
    if (error.temporary || error.code === NO_ANSWER) {
      this.#publishAgain.schedule();
      return false;
    }
    if (this.#queue.remove(entry)) this.#takeBack(entry, error); // else it has come already: another tab had sent it too
    this.#refresh(touched(entry.parts));
    this.#report();
    return true;
  }

  /** Says that an entry came to nothing. @param {Entry} entry @param {Error} error */
  #takeBack(entry, error) {
    const own = this.#steps.get(entry);
    if (own) this.#undo.forget(own);
    this.emit('error', new Error(`A change was taken back: ${error.message}.`));
  }

  async #adopt() {
    const adopted = await this.#queue.adopt();
    if (adopted.length === 0) return;
    const ids = new Set(adopted.flatMap(({parts}) => [...touched(parts)]));
    this.#settle(ids);
    this.#refresh(ids);
    this.#report();
    this.#publish();
  }

  /** @param {State} state */
  #become(state) {
    this.state = state;
    this.#report();
  }

  #report() {
    this.emit('state', {state: this.state, pending: this.pending});
  }
}

function full() {
  return `the document is full: it holds ${MOST_OBJECTS} objects or ${MOST_BYTES / 1024} KiB at most`;
}

/** A copy of a change, of its own, without parts that are empty. @param {Change} change @returns {Change} */
function compact(change) {
  const {make, set, drop} = JSON.parse(JSON.stringify(change));
  const parts = {make, set, drop};
  return Object.fromEntries(Object.entries(parts).filter(([, part]) => part && Object.keys(part).length > 0));
}

/** The browser can forbid a page to keep anything. */
function localStorageOrNull() {
  try {
    return globalThis.localStorage ?? null;
  } catch {
    return null;
  }
}
