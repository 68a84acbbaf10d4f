import {fill, findElement, stamp} from './dom.js';
import {fillExtras} from './timeline.js';

/** @typedef {{channel: string, content: import('./message.js').Content, tag: string}} Arrival */

const MOST = 3;
const TURN = 250; // ms between two changes: what is replaced sooner nobody has read
const SHOWN = 7_000; // ms; the most urgent ones stay until dismissed
const URGENT = 5;
const PRIORITY_NAMES = ['', 'min priority', 'low priority', '', 'high priority', 'max priority'];

/** Toasts shows the latest few notifications for a while. */
export class Toasts {
  #list;
  /** @type {Arrival[]} that wait for their turn, MOST at most */
  #waiting = [];
  #turn = 0; // the timer of the next turn; 0: there is none, the next one comes at once

  /** @param {HTMLElement} list */
  constructor(list) {
    this.#list = list;
  }

  /** Shows a notification, in place of an earlier one with its tag. @param {Arrival} arrival */
  show(arrival) {
    const others = this.#waiting.filter(({tag}) => tag !== arrival.tag);
    this.#waiting = [...others, arrival].slice(-MOST);
    if (!this.#turn) this.#change();
  }

  /** @param {string} tag */
  remove(tag) {
    this.#waiting = this.#waiting.filter((arrival) => arrival.tag !== tag);
    this.#of(tag)?.remove();
  }

  #change() {
    this.#turn = 0;
    if (this.#waiting.length === 0) return;
    for (const arrival of this.#waiting.splice(0)) {
      this.#of(arrival.tag)?.remove();
      this.#list.append(toastOf(arrival));
    }
    while (this.#list.childElementCount > MOST) this.#list.firstElementChild?.remove();
    this.#turn = window.setTimeout(() => this.#change(), TURN);
  }

  /** @param {string} tag */
  #of(tag) {
    return [...this.#list.children].find((toast) => /** @type {HTMLElement} */ (toast).dataset.tag === tag);
  }
}

/** @param {Arrival} arrival */
function toastOf({channel, content, tag}) {
  const toast = stamp('toast');
  toast.dataset.tag = tag;
  toast.dataset.priority = String(content.priority);
  fill(toast, 'channel', channel);
  fill(toast, 'priority', PRIORITY_NAMES[content.priority] ?? '');
  fill(toast, 'title', content.title);
  fill(toast, 'text', content.text);
  fillExtras(toast, content);
  findElement(toast, 'button').addEventListener('click', () => toast.remove());
  if (content.priority < URGENT) dismissLater(toast);
  return toast;
}

/** Removes a toast once it has been in view for a while and nobody is at it. @param {HTMLElement} toast */
function dismissLater(toast) {
  setTimeout(() => {
    if (document.hidden || toast.matches(':hover, :focus-within')) dismissLater(toast);
    else toast.remove();
  }, SHOWN);
}
