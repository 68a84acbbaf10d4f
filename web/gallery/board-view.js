/**
 * View is the part of the board that is in the window: all of it at first, or nearer.
 */
import {HEIGHT, WIDTH, clamp} from './board-shapes.js';

const NEAREST = 5; // times
export const STEP = 1.5; // of one press of a zoom button

export class View {
  #svg;
  #onChange;
  #x = 0;
  #y = 0;
  #zoom = 1;

  /** @param {SVGSVGElement} svg @param {(view: View) => void} onChange */
  constructor(svg, onChange) {
    this.#svg = svg;
    this.#onChange = onChange;
    new ResizeObserver(() => onChange(this)).observe(svg);
  }

  get zoom() {
    return this.#zoom;
  }

  /** How many units of the board are one CSS pixel. */
  get unit() {
    const {width, height} = this.#svg.getBoundingClientRect();
    return 1 / (this.#zoom * Math.min(width / WIDTH, height / HEIGHT) || 1);
  }

  /** Where on the board a point of the window is. @param {{clientX: number, clientY: number}} point */
  place({clientX, clientY}) {
    const {x, y} = new DOMPoint(clientX, clientY).matrixTransform(this.#svg.getScreenCTM()?.inverse());
    return {x, y};
  }

  /** Where a point of the board is in the window, from the surface's corner. @param {number} x @param {number} y */
  position(x, y) {
    const point = new DOMPoint(x, y).matrixTransform(this.#svg.getScreenCTM() ?? undefined);
    const corner = this.#svg.getBoundingClientRect();
    return {left: point.x - corner.left, top: point.y - corner.top};
  }

  /** Shows all of the board. */
  fit() {
    this.#zoom = 1;
    this.#show(0, 0);
  }

  /** Goes nearer, or farther below 1, to a place that stays where it is. @param {number} factor @param {{x: number, y: number}} [place] */
  nearer(factor, place = this.middle) {
    const zoom = clamp(this.#zoom * factor, 1, NEAREST);
    const ratio = this.#zoom / zoom;
    this.#zoom = zoom;
    this.#show(place.x - (place.x - this.#x) * ratio, place.y - (place.y - this.#y) * ratio);
  }

  /** Moves over the board. @param {number} dx @param {number} dy */
  pan(dx, dy) {
    this.#show(this.#x + dx, this.#y + dy);
  }

  /** Moves so that a box is seen, if it fits. @param {{left: number, top: number, right: number, bottom: number}} box */
  reveal({left, top, right, bottom}) {
    const x = clamp(this.#x, right + 10 - this.#width, left - 10);
    const y = clamp(this.#y, bottom + 10 - this.#height, top - 10);
    if (x !== this.#x || y !== this.#y) this.#show(x, y);
  }

  get #width() {
    return WIDTH / this.#zoom;
  }

  get #height() {
    return HEIGHT / this.#zoom;
  }

  get middle() {
    return {x: this.#x + this.#width / 2, y: this.#y + this.#height / 2};
  }

  /** @param {number} x @param {number} y of the corner, which does not leave the board */
  #show(x, y) {
    this.#x = clamp(x, 0, WIDTH - this.#width);
    this.#y = clamp(y, 0, HEIGHT - this.#height);
    this.#svg.setAttribute('viewBox', [this.#x, this.#y, this.#width, this.#height].join(' '));
    this.#onChange(this);
  }
}
