import {fill, findElement, stamp} from '../dom.js';
import {ranking} from './game-flight.js';
import {colourOf} from './game-sheet.js';

/**
 * @typedef {import('./game-flight.js').Plane} Plane
 * @typedef {import('./game-flight.js').State} State
 */

const MOST_ROWS = 10;
const SAY_EVERY = 3_000; // ms between two things said to who can't see the sheet
const PLACES = ['first', 'second', 'third', 'fourth', 'fifth', 'sixth', 'seventh', 'eighth', 'ninth', 'tenth'];

/** Board lists who flies, most scraps first, and says how the player does. */
export class Board {
  /** Which plane wears the crown; 0: none yet. */
  leader = 0;
  #root;
  #list;
  #tick = -1;
  #shown = '';
  #said = {text: '', at: -SAY_EVERY};

  /** @param {HTMLElement} root */
  constructor(root) {
    this.#root = root;
    this.#list = findElement(root, '[data-part=board]');
  }

  /** Shows a state, and reports whether it is another one than before. @param {State} state @param {number} me @param {number} now */
  show(state, me, now) {
    if (state.tick === this.#tick) return false;
    this.#tick = state.tick;
    const planes = ranking(state);
    this.leader = planes[0]?.load ? planes[0].id : 0;
    const rows = planes.filter(({id}, place) => place < MOST_ROWS || id === me);
    const shown = JSON.stringify([me, this.leader, colourOf(me), rows.map(({id, name, load}) => [id, name, load])]);
    if (shown !== this.#shown) this.#list.replaceChildren(...rows.map((plane) => this.#row(plane, planes.indexOf(plane), me)));
    this.#shown = shown;
    rows.forEach(({x, y, heading}, i) => this.#list.children[i]?.setAttribute('data-at', `${x} ${y} ${heading.toFixed(3)}`));
    this.#root.dataset.tick = String(state.tick);
    fill(this.#root, 'count', `${planes.length} in the air, ${state.watching} watching`);
    this.#say(planes, me, now);
    return true;
  }

  /** What is shown is no longer so. */
  stop() {
    fill(this.#root, 'count', 'Until the connection was lost');
  }

  /** @param {Plane} plane @param {number} place from 0 @param {number} me */
  #row({id, name, load}, place, me) {
    const row = stamp('game-row');
    row.dataset.plane = String(id);
    row.toggleAttribute('data-own', id === me);
    row.setAttribute('value', String(place + 1));
    row.querySelector('path')?.setAttribute('fill', colourOf(id));
    fill(row, 'name', name);
    fill(row, 'you', id === me ? '(you)' : '');
    fill(row, 'load', String(load));
    row.querySelector('.crown')?.toggleAttribute('hidden', id !== this.leader);
    return row;
  }

  /** @param {Plane[]} planes @param {number} me @param {number} now */
  #say(planes, me, now) {
    const place = planes.findIndex(({id}) => id === me);
    const load = planes[place]?.load;
    const text = load === undefined ? '' : `You carry ${load} ${load === 1 ? 'scrap' : 'scraps'}: ${PLACES[place] ?? `number ${place + 1}`} of ${planes.length}.`;
    if (text === this.#said.text || text !== '' && now - this.#said.at < SAY_EVERY) return;
    this.#said = {text, at: now};
    findElement(this.#root, '[data-part=said]').textContent = text;
  }
}
