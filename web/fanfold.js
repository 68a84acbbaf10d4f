/**
 * The hub's client: one WebSocket that speaks the Centrifuge JSON protocol, and
 * subscriptions that outlive it. It knows nothing of the page.
 *
 *     const hub = new Fanfold('ws://127.0.0.1:1234/connection/websocket');
 *     hub.subscribe('news').on('message', ({data}) => console.log(data));
 *     hub.connect();
 *
 * A lost connection is made again after a random wait, and every subscription
 * goes on where it was: what was missed comes first, in order, as messages.
 */
import {Retry} from './retry.js';
import {Emitter, FanfoldError, Subscription} from './subscription.js';

/**
 * @typedef {import('./subscription.js').Position} Position
 * @typedef {import('./subscription.js').ClientInfo} ClientInfo
 * @typedef {import('./subscription.js').Publication} Publication
 *
 * State: waiting is between two attempts to connect; refused and closed last until connect. Of
 * refused the reason is the hub's own word; code is why, see needsCredential.
 * Events: resumed says that a subscription goes on, with everything it missed or perhaps not;
 * denied that a command needs a grant that the hub has not given.
 * @typedef {'closed' | 'connecting' | 'connected' | 'waiting' | 'refused'} State
 *
 * @typedef {{state: {state: State, reason: string, code: number}, countdown: {seconds: number}, denied: null,
 *   resumed: {channel: string, recovered: boolean, count: number}}} ClientEvents
 *
 * @typedef {{resolve: (result: any) => void, reject: (error: FanfoldError) => void,
 *   timer: ReturnType<typeof setTimeout>}} Call
 */

/** Codes of a FanfoldError: there is no connection, or it was lost; the hub did not answer in time. */
export const NO_CONNECTION = 1;
export const NO_ANSWER = 2;

const GRACE = 10_000; // ms by which a ping may be late
/** Codes of a refusal: of the protocol's connect command, or of the connection's end. */
const UNAUTHORIZED = 101;
const PERMISSION_DENIED = 103;
export const TOKEN_EXPIRED = 109;
const INVALID_TOKEN = 3500;
const BAD_REQUEST = 3501; // of a connect without a token: that one is missing
const BROKEN = 3000; // close codes, as if the hub had sent them
const TRY_LATER = 3004;
const REFUSED = 3500;

/** Whether the hub asks for a token or key, or for a better one. @param {number} code of a refusal */
export function needsCredential(code) {
  return [UNAUTHORIZED, PERMISSION_DENIED, TOKEN_EXPIRED, INVALID_TOKEN].includes(code);
}

/**
 * Fanfold is a client of one hub.
 * @extends {Emitter<ClientEvents>}
 */
export class Fanfold extends Emitter {
  /** @type {State} */
  state = 'closed';
  /** This connection's id in presence, join and leave; '' before the first connection. */
  id = '';
  /** Describes this client to others, from the next connection on. */
  data;
  /** The token or key to show, from the next connection on; '': none. */
  token = '';
  /** When the hub will no longer honour the token, in ms since 1970; 0: never, or it did not say. */
  expires = 0;
  #url;
  #timeout;
  #lastId = 0;
  #silence = 0; // ms without a frame after which the connection counts as dead; 0: never
  #pong = false;
  /** @type {WebSocket | null} */
  #socket = null;
  /** @type {Map<number, Call>} */
  #calls = new Map();
  /** @type {Map<string, Subscription>} */
  #subscriptions = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #watchdog;
  #retry = new Retry(() => this.#open(), (seconds) => this.emit('countdown', {seconds}));

  /**
   * @param {string | URL} url of the hub's /connection/websocket
   * @param {{data?: any, timeout?: number}} [options] timeout is how many ms an answer may take
   */
  constructor(url, {data, timeout = 5_000} = {}) {
    super();
    this.data = data;
    this.#url = url;
    this.#timeout = timeout;
  }

  /** Connects; at once if a retry is waiting. Does nothing if connected or about to be. */
  connect() {
    if (this.state !== 'connected' && this.state !== 'connecting') this.#retry.now();
  }

  /** Connects anew, as the bearer of another token. Subscriptions go on where they were. @param {string} token */
  reconnectAs(token) {
    this.token = token;
    this.#retry.cancel();
    this.#disconnect('the connection is made anew');
    this.#retry.now();
  }

  /** Disconnects until the next connect. */
  close() {
    this.#retry.cancel();
    this.#disconnect('the connection was closed');
    this.#become('closed');
  }

  /**
   * Subscribes to a channel or pattern, or shares the subscription that there is.
   * @param {string} channel
   * @param {{joinLeave?: boolean, data?: any}} [options] data describes this client in this channel
   */
  subscribe(channel, {joinLeave = false, data} = {}) {
    const sub = this.#subscriptions.get(channel) ?? this.#add(channel, data, joinLeave);
    sub.users++;
    if (joinLeave && !sub.joinLeave) {
      sub.joinLeave = true;
      this.renew(sub, sub.data);
    }
    return sub;
  }

  /** Leaves a subscription, which ends with its last user. @param {Subscription} sub */
  unsubscribe(sub) {
    if (--sub.users > 0 || !this.#has(sub)) return;
    this.#subscriptions.delete(sub.channel);
    sub.end();
    this.#send([this.#command('unsubscribe', {channel: sub.channel})]);
  }

  /** Describes this client anew in a channel, and misses nothing. @param {Subscription} sub @param {any} data */
  renew(sub, data) {
    sub.data = data;
    if (sub.state !== 'subscribed') return; // if one is under way, its answer brings us back here
    sub.suspend();
    this.#send([this.#command('unsubscribe', {channel: sub.channel}), ...this.#subscribeCommands(sub)]);
  }

  /**
   * Resolves once the message is stored, or delivered if the channel is live.
   * @param {string} channel
   * @param {any} data
   * @param {{excludeSelf?: boolean}} [options] excludeSelf spares this client its own message
   */
  publish(channel, data, {excludeSelf} = {}) {
    return this.call('publish', {channel, data, exclude_self: excludeSelf});
  }

  /**
   * Reads up to limit messages behind since; with reverse those before it, newest first. There
   * can be more as long as there is one: long messages come fewer at a time.
   * @param {string} channel
   * @param {{limit: number, since?: Position | null, reverse?: boolean}} query
   * @returns {Promise<Publication[]>}
   */
  async history(channel, {limit, since, reverse}) {
    const query = {channel, limit, reverse, since: since ?? undefined};
    return (await this.call('history', query)).publications ?? [];
  }

  /** Who is in a channel. @param {string} channel @returns {Promise<ClientInfo[]>} */
  async presence(channel) {
    return Object.values((await this.call('presence', {channel})).presence ?? {});
  }

  /** Calls a procedure of the hub. @param {string} method @param {any} data @returns {Promise<any>} */
  async rpc(method, data) {
    return (await this.call('rpc', {method, data})).data;
  }

  /**
   * Sends a command of the protocol and resolves to its result. It rejects with a
   * FanfoldError, at once if there is no connection.
   * @param {string} method
   * @param {object} params
   * @returns {Promise<any>}
   */
  call(method, params) {
    return new Promise((resolve, reject) => {
      if (this.state === 'connected') this.#send([this.#command(method, params, resolve, reject)]);
      else reject(new FanfoldError(NO_CONNECTION, 'there is no connection to the hub'));
    });
  }

  #open() {
    this.#become('connecting');
    this.#silence = this.#timeout;
    this.#watch();
    this.#socket = new WebSocket(this.#url);
    this.#socket.onopen = () => this.#greet();
    this.#socket.onmessage = ({data}) => this.#read(data);
    this.#socket.onclose = ({code, reason}) => this.#lost(code, reason);
  }

  /** Connects and subscribes to everything, in one frame. */
  #greet() {
    const connect = this.#command('connect', {name: 'fanfold-page', data: this.data, token: this.token || undefined},
      (result) => this.#greeted(result),
      (error) => error.code >= 100 && this.#lost(error.temporary ? TRY_LATER : REFUSED, error.message, error.code));
    this.#send([connect, ...[...this.#subscriptions.values()].flatMap((sub) => this.#subscribeCommands(sub))]);
  }

  /** @param {{client: string, ping?: number, pong?: boolean, expires?: boolean, ttl?: number}} result */
  #greeted({client, ping, pong, expires, ttl}) {
    this.id = client;
    this.expires = expires && ttl ? Date.now() + ttl * 1000 : 0;
    this.#pong = pong === true;
    this.#silence = ping ? ping * 1000 + GRACE : 0;
    this.#watch();
    this.#retry.succeeded();
    this.#become('connected');
  }

  /** @param {string} channel @param {any} data @param {boolean} joinLeave */
  #add(channel, data, joinLeave) {
    /** @type {Subscription} */
    const sub = new Subscription(channel, data, () => this.#send(this.#subscribeCommands(sub)));
    sub.joinLeave = joinLeave;
    this.#subscriptions.set(channel, sub);
    if (this.#socket?.readyState === WebSocket.OPEN) this.#send(this.#subscribeCommands(sub));
    return sub;
  }

  /** @param {Subscription} sub */
  #has(sub) {
    return this.#subscriptions.get(sub.channel) === sub;
  }

  /** @param {Subscription} sub */
  #subscribeCommands(sub) {
    const {channel, data, joinLeave} = sub;
    const subscribe = this.#command('subscribe', sub.request, (result) => {
      if (!this.#has(sub)) return;
      if (sub.accept(result) === false) this.emit('resumed', {channel, recovered: false, count: 0});
      if (sub.data !== data || sub.joinLeave !== joinLeave) this.renew(sub, sub.data);
    }, (error) => this.#has(sub) && this.#notSubscribed(sub, error));
    if (!sub.position) return [subscribe];

    // Commands are answered in order: with the answer to this one, all that was missed has come.
    const caughtUp = () => {
      const count = sub.caughtUp();
      if (count !== null) this.emit('resumed', {channel, recovered: true, count});
    };
    return [subscribe, this.#command('history', {channel, limit: 0}, caughtUp, caughtUp)];
  }

  /** @param {Subscription} sub @param {FanfoldError} error */
  #notSubscribed(sub, error) {
    if (error.code === NO_CONNECTION) return; // the next connection subscribes
    if (error.code === NO_ANSWER) return this.#lost(BROKEN, error.message);
    if (error.temporary) return sub.retry.schedule();
    this.#subscriptions.delete(sub.channel);
    sub.end(error);
  }

  /**
   * Makes a command and waits for its answer.
   * @param {string} method
   * @param {object} params
   * @param {(result: any) => void} [resolve]
   * @param {(error: FanfoldError) => void} [reject]
   */
  #command(method, params, resolve = () => {}, reject = () => {}) {
    const id = ++this.#lastId;
    const timer = setTimeout(() => {
      this.#calls.delete(id);
      reject(new FanfoldError(NO_ANSWER, `the hub did not answer within ${this.#timeout / 1000} s`));
    }, this.#timeout);
    this.#calls.set(id, {resolve, reject, timer});
    return JSON.stringify({id, [method]: params});
  }

  /** Sends commands in one frame; nothing if there is no connection. @param {string[]} commands */
  #send(commands) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(commands.join('\n'));
  }

  /** @param {string} frame */
  #read(frame) {
    this.#watch();
    try {
      const messages = frame.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line));
      for (const message of messages) if (this.#socket) this.#handle(message);
    } catch (error) {
      this.#lost(BROKEN, `the hub sent what is no JSON: ${error}`);
    }
  }

  /** @param {any} message an answer, a push or a ping */
  #handle({id, push, error, ...result}) {
    const call = this.#calls.get(id);
    if (push) return this.#push(push);
    if (!id && this.#pong) return this.#send(['{}']);
    if (!call) return;
    this.#calls.delete(id);
    clearTimeout(call.timer);
    if (!error) return call.resolve(Object.values(result)[0] ?? {});
    if (error.code === PERMISSION_DENIED) this.emit('denied', null);
    call.reject(new FanfoldError(error.code, error.message, error.temporary));
  }

  /** @param {{channel: string, pub?: Publication, join?: any, leave?: any, unsubscribe?: any}} push */
  #push({channel, pub, join, leave, unsubscribe}) {
    const sub = this.#subscriptions.get(channel);
    if (sub?.state !== 'subscribed') return;
    if (pub) sub.receive(pub);
    if (join) sub.emit('join', join.info);
    if (leave) sub.emit('leave', leave.info);
    if (!unsubscribe) return;
    sub.suspend();
    this.#notSubscribed(sub, new FanfoldError(unsubscribe.code, unsubscribe.reason, unsubscribe.code >= 2500));
  }

  /** Counts the connection as dead if no frame comes for too long. */
  #watch() {
    clearTimeout(this.#watchdog);
    if (this.#silence) this.#watchdog = setTimeout(() => this.#lost(BROKEN, 'the hub fell silent'), this.#silence);
  }

  /** @param {number} code of the WebSocket's end @param {string} reason @param {number} [why] a better code */
  #lost(code, reason, why = code) {
    this.#disconnect('the connection was lost before the hub answered');
    if (why === BAD_REQUEST && this.state === 'connecting' && !this.token) why = UNAUTHORIZED;
    const final = (code >= 3500 && code < 4000) || (code >= 4500 && code < 5000) || code === 1009;
    this.#become(final ? 'refused' : 'waiting', reason || `code ${code}`, why);
    if (!final) this.#retry.schedule();
  }

  /** @param {string} reason that open calls are told */
  #disconnect(reason) {
    clearTimeout(this.#watchdog);
    const socket = this.#socket;
    this.#socket = null;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    for (const {reject, timer} of calls) {
      clearTimeout(timer);
      reject(new FanfoldError(NO_CONNECTION, reason));
    }
    for (const sub of this.#subscriptions.values()) sub.suspend();
  }

  /** @param {State} state @param {string} [reason] @param {number} [code] */
  #become(state, reason = '', code = 0) {
    this.state = state;
    this.emit('state', {state, reason, code});
  }
}
