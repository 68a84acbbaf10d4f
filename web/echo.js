import {authQuery} from './credential.js';
import {control, fill, find, findElement, onSubmit, stamp} from './dom.js';
import {Retry} from './retry.js';

/**
 * Sent is a text that waits for its answer.
 * @typedef {{row: HTMLElement, ascii: boolean}} Sent
 */

const MOST_ROWS = 50;
const PATIENCE = 1_000; // ms after which a text that need not be answered counts as unanswered

/**
 * Echo speaks the hub's plainest protocol, on a WebSocket of its own: each text is answered by
 * its case-folded form, in order. In ASCII mode a text with other characters gets no answer.
 */
export class Echo {
  #root = findElement(document, '#echo');
  #form = find(this.#root, 'form', HTMLFormElement);
  #list = findElement(this.#root, '[data-part=list]');
  #ascii = control(this.#form, 'ascii');
  #retry = new Retry(() => this.#open());
  /** @type {WebSocket | null} */
  #socket = null;
  /** @type {Sent[]} */
  #waiting = [];
  #base;
  #token;

  /**
   * @param {URL} base the hub's, with ws or wss
   * @param {() => string} token that is to be shown to the hub; '': none
   */
  constructor(base, token) {
    this.#base = base;
    this.#token = token;
    onSubmit(this.#form, () => this.#send());
    this.#ascii.addEventListener('change', () => this.connect());
    this.connect();
  }

  /** Connects at once, in the chosen mode. */
  connect() {
    this.#hangUp();
    this.#retry.now();
  }

  /** Connects at once unless it is connected or about to be. */
  connectIfLost() {
    if (!this.#socket) this.#retry.now();
  }

  /** Stays away until the next connect. @param {string} why */
  rest(why) {
    this.#hangUp();
    this.#retry.cancel();
    this.#say('waiting', why);
  }

  #open() {
    const url = new URL(this.#base);
    if (this.#ascii.checked) url.searchParams.set('fold', 'ascii');
    fill(this.#root, 'url', url.href);
    const token = this.#token(); // a WebSocket of a browser's can carry it in its address alone
    if (token) url.searchParams.set('auth', authQuery(token));
    this.#say('waiting', 'connecting');
    this.#socket = new WebSocket(url);
    this.#socket.onopen = () => {
      this.#retry.succeeded();
      this.#say('live', 'connected');
    };
    this.#socket.onmessage = ({data}) => this.#answered(String(data));
    this.#socket.onclose = () => {
      this.#hangUp();
      this.#say('waiting', 'lost, trying again');
      this.#retry.schedule();
    };
  }

  #hangUp() {
    const socket = this.#socket;
    this.#socket = null;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
    for (const sent of this.#waiting.splice(0)) answer(sent, 'connection lost', 'none');
  }

  #send() {
    const input = control(this.#form, 'text');
    if (this.#socket?.readyState !== WebSocket.OPEN) throw new Error('Not sent: the echo is not connected.');
    this.#socket.send(input.value);
    const sent = this.#addRow(input.value);
    if (this.#ascii.checked && !sent.ascii) setTimeout(() => this.#giveUp(sent), PATIENCE);
    input.value = '';
    return '';
  }

  /** @param {string} text */
  #addRow(text) {
    const row = stamp('echo-row');
    fill(row, 'sent', text);
    fill(row, 'answer', '…');
    this.#list.prepend(row);
    while (this.#list.childElementCount > MOST_ROWS) this.#list.lastElementChild?.remove();
    const sent = {row, ascii: isASCII(text)};
    this.#waiting.push(sent);
    return sent;
  }

  /** Answers come in order, so those before the answered text have got none. @param {string} text */
  #answered(text) {
    const first = this.#waiting.findIndex((sent) => sent.ascii || !this.#ascii.checked);
    for (const sent of this.#waiting.splice(0, first)) answer(sent, 'no answer (not ASCII)', 'none');
    const sent = this.#waiting.shift();
    if (sent) answer(sent, text, 'folded');
  }

  /** @param {Sent} sent */
  #giveUp(sent) {
    const index = this.#waiting.indexOf(sent);
    if (index < 0) return;
    this.#waiting.splice(index, 1);
    answer(sent, 'no answer (not ASCII)', 'none');
  }

  /** @param {'live' | 'waiting'} state @param {string} text */
  #say(state, text) {
    fill(this.#root, 'state', text).dataset.state = state;
  }
}

/** @param {string} text */
function isASCII(text) {
  return /^[\0-\x7f]*$/.test(text);
}

/** @param {Sent} sent @param {string} text @param {'folded' | 'none'} kind */
function answer({row}, text, kind) {
  row.dataset.answer = kind;
  fill(row, 'answer', text).hidden = false;
}
