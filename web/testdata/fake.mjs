/** A clock that stands still, and a hub that says what the test says. */

const realRandom = Math.random;

/** Replaces the timers, until the next Clock does; time passes by pass() alone. */
export class Clock {
  #now = 1_000_000;
  #last = 0;
  #timers = new Map();

  constructor() {
    Date.now = () => this.#now;
    globalThis.setTimeout = (action, delay = 0) => {
      this.#timers.set(++this.#last, {action, due: this.#now + delay});
      return this.#last;
    };
    globalThis.clearTimeout = (id) => this.#timers.delete(id);
  }

  /** Lets ms go by and runs what falls due, in order. */
  pass(ms) {
    const end = this.#now + ms;
    for (;;) {
      const [next] = [...this.#timers].filter(([, {due}]) => due <= end).sort(([, a], [, b]) => a.due - b.due);
      if (!next) break;
      this.#timers.delete(next[0]);
      this.#now = Math.max(this.#now, next[1].due);
      next[1].action();
    }
    this.#now = end;
  }
}

/** Makes Math.random return value; without one it is random again. */
export function random(value) {
  Math.random = value === undefined ? realRandom : () => value;
}

/** The WebSocket of the client under test: the test is its server. */
export class Socket {
  static OPEN = 1;
  static all = [];
  readyState = 0;
  #sent = [];

  constructor(url) {
    this.url = String(url);
    Socket.all.push(this);
  }

  static get last() {
    return Socket.all.at(-1);
  }

  open() {
    this.readyState = 1;
    this.onopen?.({});
  }

  send(frame) {
    this.#sent.push(frame);
  }

  /** What was sent since the last call: frames of commands. */
  taken() {
    return this.#sent.splice(0).map((frame) => frame.split('\n').map((line) => JSON.parse(line)));
  }

  /** Sends messages in one frame. */
  push(...messages) {
    this.onmessage?.({data: messages.map((message) => JSON.stringify(message)).join('\n')});
  }

  /** Ends the connection from the hub's side. */
  drop(code, reason = '') {
    this.readyState = 3;
    this.onclose?.({code, reason});
  }

  close() {
    this.readyState = 3;
  }
}

globalThis.WebSocket = Socket;
