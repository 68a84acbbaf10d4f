/**
 * @typedef {import('./game-flight.js').Steering} Steering
 * @typedef {{x: number, y: number}} Point
 */

/** Which way a key turns. @type {Record<string, number>} */
const TURNS = {ArrowLeft: -1, KeyA: -1, ArrowRight: 1, KeyD: 1};

/** Controls are the player's hands: arrow keys, A and D, or a pointer that draws the plane after it. */
export class Controls {
  active = false; // otherwise keys and touches are the page's
  /** @type {Set<string>} keys that are down */
  #keys = new Set();
  /** @type {Point | null} in the window */
  #pointer = null;

  /** @param {HTMLElement} field that has the focus and is touched */
  constructor(field) {
    field.addEventListener('keydown', (event) => {
      if (!this.active || !(event.code in TURNS) || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      this.#keys.add(event.code);
    });
    field.addEventListener('keyup', ({code}) => this.#keys.delete(code));
    field.addEventListener('blur', () => this.release());
    field.addEventListener('pointerdown', (event) => {
      if (!this.active || event.button !== 0) return;
      field.setPointerCapture(event.pointerId);
      this.#pointer = {x: event.clientX, y: event.clientY};
    });
    field.addEventListener('pointermove', ({clientX: x, clientY: y}) => this.#pointer && (this.#pointer = {x, y}));
    for (const end of ['pointerup', 'pointercancel']) field.addEventListener(end, () => (this.#pointer = null));
  }

  /** Lets everything go. */
  release() {
    this.#keys.clear();
    this.#pointer = null;
  }

  /**
   * What they ask for now.
   * @param {(point: Point) => Point} toSheet finds where on the sheet the pointer is
   * @param {Point | undefined} own where the plane is
   * @returns {Steering}
   */
  steering(toSheet, own) {
    if (this.#pointer && own) {
      const {x, y} = toSheet(this.#pointer);
      return {heading: Math.atan2(y - own.y, x - own.x)};
    }
    return {turn: Math.sign([...this.#keys].reduce((sum, key) => sum + (TURNS[key] ?? 0), 0))};
  }
}
