/** A hub with one channel whose clients' messages take as long as the test's dice want. */

import {Document} from './gallery/document.js';
import {Replica} from './gallery/replica.js';
import {Emitter, FanfoldError} from './subscription.js';

/** Returns numbers from 0 up to most, the same for the same seed. */
export function dice(seed) {
  return (most) => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return Math.floor((seed / 2147483648) * most);
  };
}

export class SharedHub {
  epoch = 'e1';
  log = []; // what the channel's history shows
  all = []; // everything that was ever stored
  clients = new Set();
  #offset = 0;

  store(data, info) {
    const publication = {data: JSON.parse(JSON.stringify(data)), offset: (this.#offset += 1 + (this.#offset % 3)), ...info && {info}};
    this.log.push(publication);
    this.all.push(publication);
    for (const client of this.clients) client.deliver(publication);
    return publication;
  }

  /** Replaces the history by a snapshot. */
  rollUp(snapshot) {
    this.log = [];
    this.store(snapshot);
  }

  get top() {
    return this.#offset;
  }
}

/** One connection's worth of the client that replicas use; commands and events wait until they are moved. */
export class SharedClient {
  state = 'waiting';
  up = []; // commands on their way to the hub
  down = []; // what is on its way back
  stray = []; // publishes of lost connections, which the hub still reads
  calls = new Set();
  refuse = null; // a FanfoldError for what is published

  constructor(hub) {
    this.hub = hub;
  }

  subscribe() {
    this.sub = Object.assign(new Emitter(), {state: 'subscribing', position: null});
    return this.sub;
  }

  unsubscribe() {}

  connect() {
    this.state = 'connected';
    const old = this.sub.position;
    this.up.push(() => this.#enter(old));
  }

  #enter(old) {
    const {hub} = this;
    const there = old && old.epoch === hub.epoch && (hub.log[0]?.offset ?? 0) <= old.offset + 1;
    const missed = there ? hub.log.filter(({offset}) => offset > old.offset) : [];
    const offset = there ? old.offset : hub.top;
    hub.clients.add(this);
    this.down.push(() => {
      Object.assign(this.sub, {state: 'subscribed', position: {offset, epoch: hub.epoch}});
      this.sub.emit('subscribed', old ? Boolean(there) : null);
    });
    for (const publication of missed) this.deliver(publication);
    if (there) this.down.push(() => this.sub.emit('recovered', missed.length));
  }

  deliver(publication) {
    const copy = JSON.parse(JSON.stringify(publication));
    this.down.push(() => {
      this.sub.position.offset = copy.offset;
      this.sub.emit('message', copy);
    });
  }

  disconnect() {
    this.hub.clients.delete(this);
    this.stray.push(...this.up.filter(({stores}) => stores));
    this.up = [];
    this.down = [];
    this.state = 'waiting';
    for (const {reject} of this.calls) reject(new FanfoldError(1, 'the connection was lost before the hub answered'));
    this.calls.clear();
    this.sub.state = 'subscribing';
    this.sub.emit('suspended', null);
  }

  #call(work, stores = false) {
    if (this.state !== 'connected') return Promise.reject(new FanfoldError(1, 'there is no connection to the hub'));
    return new Promise((resolve, reject) => {
      const call = {resolve, reject};
      this.calls.add(call);
      const answer = (how, value) => this.down.push(() => this.calls.delete(call) && how(value));
      const command = () => {
        try {
          answer(resolve, work());
        } catch (error) {
          answer(reject, error);
        }
      };
      this.up.push(Object.assign(command, {stores}));
    });
  }

  publish(channel, data) {
    const text = JSON.stringify(data);
    return this.#call(() => {
      if (this.refuse) throw this.refuse;
      this.hub.store(JSON.parse(text), {client: 'c'});
    }, true);
  }

  history(channel, {limit, since}) {
    return this.#call(() => {
      const {hub} = this;
      const behind = since && (since.epoch !== hub.epoch || !hub.log.some(({offset}) => offset <= since.offset));
      if (behind) throw new FanfoldError(112, 'history does not reach back to the position asked for');
      const page = hub.log.filter(({offset}) => offset > (since?.offset ?? 0)).slice(0, Math.min(limit, 7));
      return JSON.parse(JSON.stringify(page));
    });
  }

  /** Moves one thing, if there is one. */
  move(toHub) {
    const queue = toHub ? this.up : this.down;
    queue.shift()?.();
  }
}

/** A browser's localStorage and locks, for several tabs. */
export class Browser {
  #items = new Map();
  #locks = new Set();
  most = Infinity; // characters

  storage = {
    getItem: (key) => this.#items.get(key) ?? null,
    setItem: (key, value) => {
      const used = [...this.#items.values()].reduce((sum, text) => sum + text.length, 0);
      if (used + value.length > this.most) throw new DOMException('full', 'QuotaExceededError');
      this.#items.set(key, value);
    },
    removeItem: (key) => this.#items.delete(key),
    key: (i) => [...this.#items.keys()][i] ?? null,
    get length() {
      return this.size();
    },
    size: () => this.#items.size,
  };

  /** The locks as one tab sees them; kill frees them. */
  tab() {
    const own = new Set();
    const locks = {
      request: async (name, options, action) => {
        await null;
        if (this.#locks.has(name)) return action(null);
        this.#locks.add(name);
        own.add(name);
        await action({name});
        if (own.delete(name)) this.#locks.delete(name);
      },
    };
    const kill = () => {
      for (const name of own) this.#locks.delete(name);
      own.clear();
    };
    return {locks, kill};
  }
}

export const CHANNEL = 'gallery.document.test';
export const settled = () => new Promise((resolve) => setImmediate(resolve));

/** What the objects are, without prototypes, sorted. */
export function plain(objects) {
  return Object.fromEntries([...objects].sort(([a], [b]) => (a < b ? -1 : 1)).map(([id, fields]) => [id, {...fields}]));
}

/** What messages lead to. */
export function folded(messages) {
  const document = new Document();
  for (const {data, info} of messages) document.apply(JSON.parse(JSON.stringify(data)), !info);
  return document;
}

export function open(hub, options = {storage: null}) {
  const client = new SharedClient(hub);
  const replica = new Replica(client, CHANNEL, options);
  const errors = [];
  replica.on('error', (error) => errors.push(error.message));
  return {client, replica, errors};
}

/** Moves everything to where it goes. */
export async function calm(...tabs) {
  for (let quiet = 0; quiet < 3; quiet++) {
    for (const {client} of tabs) {
      while (client.up.length + client.down.length > 0) {
        quiet = 0;
        client.move(true);
        client.move(false);
        await settled();
      }
    }
    await settled();
  }
}

export async function connected(hub, options) {
  const tab = open(hub, options);
  tab.client.connect();
  await calm(tab);
  return tab;
}
