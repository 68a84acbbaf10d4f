import {Retry} from './retry.js';

/**
 * Position is a place in the stored history: offsets rise, with gaps, within an epoch.
 * @typedef {{offset: number, epoch: string}} Position
 *
 * ClientInfo is what others may see of a client. conn_info is the data it connected with,
 * chan_info the data it subscribed with.
 * @typedef {{client: string, user?: string, conn_info?: any, chan_info?: any}} ClientInfo
 *
 * Publication is a message. It has an offset if it is stored, a time (ms since 1970, the hub's
 * clock), its channel if it came through a pattern, and info if a client published it.
 * @typedef {{data: any, offset?: number, time?: number, channel?: string, info?: ClientInfo}} Publication
 *
 * Events: subscribed says that messages flow from now on; of a subscription that was interrupted
 * it tells whether all that it missed comes first (true) or may be lost (false), of a new one null.
 * recovered comes once all that was missed has come, and tells how many messages those were.
 * suspended says that messages do not flow for now, ended that none will come.
 * @typedef {{message: Publication, join: ClientInfo, leave: ClientInfo, subscribed: boolean | null,
 *   recovered: number, suspended: null, ended: FanfoldError}} SubscriptionEvents
 */

/** FanfoldError is a command that failed. Its message may be shown to anybody. */
export class FanfoldError extends Error {
  /**
   * @param {number} code the hub's, which begin at 100, or NO_CONNECTION or NO_ANSWER
   * @param {string} message
   * @param {boolean} [temporary] the same command may work later
   */
  constructor(code, message, temporary = false) {
    super(message);
    this.code = code;
    this.temporary = temporary;
  }
}

class Signal extends Event {
  /** @param {string} type @param {any} detail */
  constructor(type, detail) {
    super(type);
    this.detail = detail;
  }
}

/**
 * Emitter is an EventTarget whose events have typed details.
 * @template {Record<string, any>} Events
 */
export class Emitter extends EventTarget {
  /**
   * @template {keyof Events & string} Type
   * @param {Type} type
   * @param {(detail: Events[Type]) => void} listener
   * @param {AbortSignal} [until] ends the listening
   */
  on(type, listener, until) {
    this.addEventListener(type, (event) => listener(/** @type {Signal} */ (event).detail), {signal: until});
    return this;
  }

  /** @template {keyof Events & string} Type @param {Type} type @param {Events[Type]} detail */
  emit(type, detail) {
    this.dispatchEvent(new Signal(type, detail));
  }
}

/**
 * Subscription receives the messages of one channel, or of all channels that match a
 * pattern. Its client makes it and calls its methods; others listen to it.
 * @extends {Emitter<SubscriptionEvents>}
 */
export class Subscription extends Emitter {
  /** @type {'subscribing' | 'subscribed' | 'ended'} */
  state = 'subscribing';
  /** @type {Position | null} of the last message; null: there is nothing to recover from */
  position = null;
  joinLeave = false;
  /** How many messages are recovered so far; null: no recovery is under way. */
  missed = /** @type {number | null} */ (null);
  /** How many parts of the page share this subscription. */
  users = 0;

  /**
   * @param {string} channel
   * @param {any} data describes this client in this channel
   * @param {() => void} again subscribes again
   */
  constructor(channel, data, again) {
    super();
    this.channel = channel;
    this.data = data;
    this.retry = new Retry(again);
  }

  /** The parameters of the subscribe command, as of now. */
  get request() {
    const {channel, data, joinLeave} = this;
    const recovery = this.position ? {recover: true, ...this.position} : {};
    return {channel, data, join_leave: joinLeave, positioned: true, recoverable: true, ...recovery};
  }

  /**
   * Takes the result of the subscribe command.
   * @param {any} result
   * @returns {boolean | null} as the event subscribed
   */
  accept(result) {
    const recovered = this.position ? result.recovered === true : null;
    const offset = recovered ? this.position?.offset : result.offset;
    this.position = result.recoverable ? {offset: offset ?? 0, epoch: result.epoch ?? ''} : null;
    this.state = 'subscribed';
    this.missed = recovered ? 0 : null;
    this.retry.succeeded();
    this.emit('subscribed', recovered);
    for (const publication of result.publications ?? []) this.receive(publication);
    return recovered;
  }

  /** @param {Publication} publication */
  receive(publication) {
    if (publication.offset && this.position) this.position.offset = publication.offset;
    if (this.missed !== null) this.missed++;
    this.emit('message', publication);
  }

  /** All that was missed has come. @returns {number | null} how much; null if there was no recovery */
  caughtUp() {
    const count = this.missed;
    this.missed = null;
    if (count !== null) this.emit('recovered', count);
    return count;
  }

  /** Messages do not flow for now, and any that still come are left for recovery. */
  suspend() {
    if (this.state === 'ended') return;
    this.state = 'subscribing';
    this.missed = null;
    this.retry.cancel();
    this.emit('suspended', null);
  }

  /** There will be no more messages. @param {FanfoldError} [error] why, if not by request */
  end(error) {
    this.state = 'ended';
    this.retry.cancel();
    if (error) this.emit('ended', error);
  }
}
