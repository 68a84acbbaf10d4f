import {fill, find, findElement} from './dom.js';
import {needsCredential} from './fanfold.js';
import {missed} from './message.js';

const REPORT_SHOWN = 30_000; // ms

/** Status shows how the connection is and, when it is back, what was recovered. */
export class Status {
  #root = findElement(document, '#connection');
  #button = find(this.#root, 'button', HTMLButtonElement);
  #lostBefore = false;
  #reporting = false;
  #count = 0;
  /** @type {string[]} channels whose history did not reach back */
  #gaps = [];
  #timer = 0;

  /** @param {import('./fanfold.js').Fanfold} hub */
  constructor(hub) {
    hub.on('state', ({state, reason, code}) => this.#show(state, reason, needsCredential(code)));
    hub.on('countdown', ({seconds}) => fill(this.#root, 'countdown', `retry in ${seconds} s`));
    hub.on('resumed', ({channel, recovered, count}) => this.#resumed(channel, recovered, count));
    this.#button.addEventListener('click', () => hub.connect());
  }

  /** @param {import('./fanfold.js').State} state @param {string} reason @param {boolean} anonymous */
  #show(state, reason, anonymous) {
    const signedOut = state === 'refused' && anonymous; // the account tells the rest
    if (state === 'waiting' || signedOut) this.#lostBefore = true;
    this.#root.dataset.state = signedOut ? 'signed-out' : state;
    fill(this.#root, 'state', signedOut ? 'Not signed in' : this.#word(state));
    fill(this.#root, 'countdown', '');
    this.#button.hidden = signedOut || state !== 'waiting' && state !== 'refused';
    this.#button.textContent = state === 'refused' ? 'Try again' : 'Retry now';
    this.#reporting = state === 'connected' && this.#lostBefore;
    this.#count = 0;
    this.#gaps = [];
    this.#report(state === 'refused' && !signedOut ? reason : '');
  }

  /** @param {import('./fanfold.js').State} state */
  #word(state) {
    switch (state) {
      case 'connecting': return this.#lostBefore ? 'Reconnecting' : 'Connecting';
      case 'connected': return 'Connected';
      case 'waiting': return 'Disconnected';
      case 'refused': return 'Refused';
      default: return 'Closed';
    }
  }

  /** @param {string} channel @param {boolean} recovered @param {number} count */
  #resumed(channel, recovered, count) {
    if (!this.#reporting) return;
    this.#count += count;
    if (!recovered) this.#gaps.push(channel);
    if (this.#gaps.length) this.#report(`history did not reach back: ${this.#gaps.join(', ')}`);
    else this.#report(this.#count ? `${missed(this.#count)} recovered` : 'nothing was missed');
  }

  /** @param {string} text */
  #report(text) {
    clearTimeout(this.#timer);
    fill(this.#root, 'report', text);
    if (this.#reporting) this.#timer = window.setTimeout(() => this.#report(''), REPORT_SHOWN);
  }
}
