/**
 * A chart on a canvas: lines, areas, bars and bands over a time, a number or its logarithm,
 * with round ticks and a crosshair. It is our own and small, because the page's policy allows
 * neither the inline styles that the usual libraries set nor their addresses, and it has no
 * build step.
 *
 *     const chart = new Chart(section, {kind: 'time', format: percent});
 *     chart.show({xs: times, series: [{name: 'total', colour: 1, ys: loads}], y: [0, 100]});
 *
 * The section holds the template "plot". Whoever can't see the canvas has its label, which sums
 * up; the legend, which has the numbers; and a slider over the canvas, whose arrow keys move the
 * crosshair and whose value says the numbers there. Nothing is animated: a chart is drawn when it
 * has changed, once a frame at most, and not while its tab is hidden.
 */
import {find, findElement} from '../dom.js';
import {clock, Drawing} from './drawing.js';
import {nearest, plain} from './scale.js';

/**
 * Series has a y for each x of its model; null: not known there, and no line leads over it unless
 * it is bridged. Its colour is one of --chart-1 to --chart-6.
 * @typedef {{name: string, colour: number, ys: (number | null)[], kind?: 'line' | 'area' | 'bars' | 'none',
 *   dashed?: boolean, bridged?: boolean, thin?: boolean, total?: string, say?: (index: number) => string}} Series
 * Band is what lies between two lines of a colour; mark is a level that is named.
 * @typedef {{colour: number, low: (number | null)[], high: (number | null)[]}} Band
 * @typedef {{y: number, name: string}} Mark
 * Model is all that is shown. The xs ascend. Without a crosshair the last x is named, or rest.
 * @typedef {{xs: number[], series: Series[], bands?: Band[], marks?: Mark[], x?: [number, number],
 *   y: [number, number], rest?: string, summary?: string}} Model
 *
 * @typedef {{kind: import('./scale.js').Kind, format?: (y: number) => string, formatX?: (x: number) => string,
 *   axis?: (y: number) => string}} Options
 */

const dark = matchMedia('(prefers-color-scheme: dark)');

export class Chart {
  #canvas;
  #cursor;
  #legend;
  #at;
  #title;
  #options;
  /** @type {Model} */
  #model = {xs: [], series: [], y: [0, 1]};
  /** @type {number | null} where the crosshair is, as an x */
  #x = null;
  #drawing = 0;
  /** @type {(x: number) => number} of the last drawing */
  #place = (x) => x;
  /** @type {Map<string, string>} */
  #colours = new Map();

  /** @param {HTMLElement} section with the template "plot" in it @param {Options} options */
  constructor(section, options) {
    this.#canvas = find(section, 'canvas', HTMLCanvasElement);
    this.#cursor = findElement(section, '.cursor');
    this.#legend = findElement(section, '.legend');
    this.#at = findElement(section, '[data-part=at]');
    this.#title = this.#legend.getAttribute('aria-label') ?? '';
    this.#options = options;
    new ResizeObserver(() => this.#changed()).observe(this.#canvas);
    dark.addEventListener('change', () => this.#recolour());
    matchMedia('(forced-colors: active)').addEventListener('change', () => this.#recolour());
    this.#watchRatio();
    this.#listen();
  }

  /** Draws anew when the page is zoomed, or moved to a screen with smaller pixels. */
  #watchRatio() {
    matchMedia(`(resolution: ${devicePixelRatio}dppx)`).addEventListener('change', () => {
      this.#watchRatio();
      this.#changed();
    }, {once: true});
  }

  /** Shows a model. It is read when the next frame is drawn. @param {Model} model */
  show(model) {
    this.#model = model;
    this.#changed();
  }

  #recolour() {
    this.#colours.clear();
    this.#changed();
  }

  #changed() {
    this.#drawing ||= requestAnimationFrame(() => {
      this.#drawing = 0;
      this.#tell();
      this.#draw();
    });
  }

  #listen() {
    const cursor = this.#cursor;
    const follow = (/** @type {PointerEvent} */ event) => this.#point(event.clientX - cursor.getBoundingClientRect().left);
    cursor.addEventListener('pointermove', follow);
    cursor.addEventListener('pointerdown', follow);
    cursor.addEventListener('pointerleave', () => cursor.matches(':focus-visible') || this.#move(null));
    cursor.addEventListener('blur', () => this.#move(null));
    cursor.addEventListener('keydown', (event) => {
      const step = {ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10, Home: -Infinity, End: Infinity}[event.key];
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      if (event.key === 'Escape') this.#move(null);
      if (step === undefined || this.#model.xs.length === 0) return;
      event.preventDefault();
      const last = this.#model.xs.length - 1;
      const to = this.#x === null && Number.isFinite(step) ? last : Math.min(last, Math.max(0, this.#index + step));
      this.#move(this.#model.xs[to] ?? null);
    });
  }

  /** Puts the crosshair on the value that is drawn nearest. @param {number} pixel */
  #point(pixel) {
    const places = this.#model.xs.map((x) => this.#place(x));
    this.#move(this.#model.xs[nearest(places, pixel)] ?? null);
  }

  /** @param {number | null} x */
  #move(x) {
    this.#x = x;
    this.#changed();
  }

  /** The index that the legend tells of: the crosshair's, or the last. */
  get #index() {
    const {xs} = this.#model;
    return this.#x === null ? xs.length - 1 : nearest(xs, this.#x);
  }

  /** Says the numbers as text. */
  #tell() {
    const {xs, series, rest, summary} = this.#model;
    const index = this.#index;
    const x = xs[index];
    const resting = this.#x === null;
    const at = resting && rest !== undefined ? rest : x === undefined ? 'no values yet' : this.#formatX(x);
    const values = series.map(({ys, total, say = () => this.#format(ys[index] ?? 0)}) =>
      resting && total !== undefined ? total : ys[index] == null ? '–' : say(index));
    this.#at.textContent = at;
    this.#at.toggleAttribute('data-crosshair', !resting);
    this.#fillLegend(values);
    const told = series.map(({name}, i) => `${name} ${values[i]}`).join(', ');
    this.#canvas.ariaLabel = `${this.#title}: ${summary ?? told}`;
    this.#cursor.ariaValueMax = String(Math.max(0, xs.length - 1));
    this.#cursor.ariaValueNow = String(Math.max(0, index));
    this.#cursor.ariaValueText = x === undefined ? at : `${at}: ${told}`;
  }

  /** @param {string[]} values */
  #fillLegend(values) {
    const {series} = this.#model;
    while (this.#legend.children.length > series.length) this.#legend.lastElementChild?.remove();
    series.forEach(({name, colour, kind, dashed}, i) => {
      const item = this.#legend.children[i] ?? this.#addItem();
      item.toggleAttribute('data-dashed', dashed === true);
      item.setAttribute('data-kind', kind ?? 'line');
      item.setAttribute('data-colour', String(colour));
      set(findElement(item, '[data-part=name]'), name);
      set(findElement(item, '[data-part=value]'), values[i] ?? '');
    });
  }

  #addItem() {
    const item = document.createElement('li');
    for (const part of ['name', 'value']) item.append(Object.assign(document.createElement('span'), {className: part}));
    for (const span of item.children) span.setAttribute('data-part', span.className);
    this.#legend.append(item);
    return item;
  }

  get #format() {
    return this.#options.format ?? plain;
  }

  /** @param {number} x */
  #formatX(x) {
    if (this.#options.formatX) return this.#options.formatX(x);
    return this.#options.kind === 'time' ? clock.format(x) : plain(x);
  }

  /** @param {string} name of a custom property */
  #colour(name) {
    let colour = this.#colours.get(name);
    if (colour === undefined) {
      colour = getComputedStyle(this.#canvas).getPropertyValue(name).trim();
      this.#colours.set(name, colour);
    }
    return colour;
  }

  #draw() {
    const {clientWidth: width, clientHeight: height} = this.#canvas;
    const pen = this.#canvas.getContext('2d');
    if (!pen || width === 0 || height === 0) return; // not shown
    const ratio = devicePixelRatio;
    if (this.#canvas.width !== Math.round(width * ratio) || this.#canvas.height !== Math.round(height * ratio)) {
      this.#canvas.width = Math.round(width * ratio);
      this.#canvas.height = Math.round(height * ratio);
    }
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    const {fontFamily} = getComputedStyle(this.#canvas);
    const drawing = new Drawing(pen, fontFamily, width, height, this.#model, this.#options, (name) => this.#colour(name));
    drawing.all(this.#x === null ? -1 : this.#index);
    this.#place = drawing.placeX;
  }
}

/** Changes a text only if it is another one. @param {Element} element @param {string} text */
function set(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
