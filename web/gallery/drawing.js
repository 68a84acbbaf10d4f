import {logTicks, plain, scale, ticks, timeTicks} from './scale.js';

/**
 * @typedef {import('./chart.js').Model} Model
 * @typedef {import('./chart.js').Series} Series
 * @typedef {import('./chart.js').Band} Band
 * @typedef {import('./chart.js').Mark} Mark
 * @typedef {import('./chart.js').Options} Options
 */

const FONT_SIZE = 12; // pixels
const PAD = 8;
export const clock = new Intl.DateTimeFormat(undefined, {timeStyle: 'medium'});
const shortClock = new Intl.DateTimeFormat(undefined, {timeStyle: 'short'});

/** Drawing is one picture of a model. */
export class Drawing {
  /**
   * @param {CanvasRenderingContext2D} pen
   * @param {string} family of the font
   * @param {number} width
   * @param {number} height
   * @param {Model} model
   * @param {Options} options
   * @param {(name: string) => string} colour
   */
  constructor(pen, family, width, height, model, options, colour) {
    this.pen = pen;
    pen.font = `${FONT_SIZE}px ${family}`;
    this.model = model;
    this.options = options;
    this.colour = colour;
    this.log = options.kind === 'log';
    this.bottom = height - FONT_SIZE - PAD;
    this.top = PAD;
    this.right = width - PAD;
    this.yTicks = ticks(...model.y, Math.max(2, Math.round((this.bottom - this.top) / 40)));
    const label = options.axis ?? options.format ?? plain;
    this.yLabels = this.yTicks.map(label);
    this.left = Math.ceil(Math.max(24, ...this.yLabels.map((text) => pen.measureText(text).width))) + PAD;
    this.x = model.x ?? [model.xs[0] ?? 1, model.xs.at(-1) ?? 10];
    this.placeX = scale(this.x, [this.left, this.right], this.log);
    this.placeY = scale(model.y, [this.bottom, this.top]);
  }

  /** @param {number} index of the crosshair, -1: none */
  all(index) {
    this.grid();
    this.axis();
    this.pen.save();
    this.pen.beginPath();
    this.pen.rect(this.left, this.top - 2, this.right - this.left + 1, this.bottom - this.top + 3);
    this.pen.clip();
    for (const band of this.model.bands ?? []) this.band(band);
    for (const series of [...this.model.series].reverse()) this.series(series); // the first one on top
    this.pen.restore();
    for (const mark of this.model.marks ?? []) this.mark(mark);
    if (index >= 0) this.crosshair(index);
  }

  grid() {
    const {pen} = this;
    pen.lineWidth = 1;
    pen.textAlign = 'right';
    pen.textBaseline = 'middle';
    this.yTicks.forEach((y, i) => {
      const at = Math.round(this.placeY(y)) + 0.5;
      pen.strokeStyle = this.colour('--line');
      this.stroke([[this.left, at], [this.right, at]]);
      pen.fillStyle = this.colour('--soft');
      pen.fillText(this.yLabels[i] ?? '', this.left - PAD, at);
    });
  }

  axis() {
    const {pen} = this;
    const [from, to] = this.x;
    const time = this.options.kind === 'time';
    const count = Math.max(2, Math.floor((this.right - this.left) / (time ? 90 : 60)));
    const at = time ? timeTicks(from, to, count) : this.log ? logTicks(from, to) : ticks(from, to, count);
    const seconds = at.some((x) => x % 60_000 !== 0);
    pen.textBaseline = 'alphabetic';
    pen.fillStyle = this.colour('--soft');
    let free = -Infinity;
    for (const x of at) {
      const text = time ? (seconds ? clock : shortClock).format(x) : plain(x);
      const half = pen.measureText(text).width / 2;
      const centre = Math.min(Math.max(this.placeX(x), this.left + half - PAD), this.right - half + PAD / 2);
      if (centre - half < free) continue;
      free = centre + half + PAD;
      pen.textAlign = 'center';
      pen.fillText(text, centre, this.bottom + FONT_SIZE + 4);
    }
  }

  /** @param {Band} band */
  band({colour, low, high}) {
    const {pen} = this;
    const known = this.model.xs.map((x, i) => [x, low[i], high[i]]).filter(([, a, b]) => a != null && b != null);
    if (known.length === 0) return;
    const edge = (/** @type {number} */ which) => known.map((point) => /** @type {[number, number]} */ ([this.placeX(Number(point[0])), this.placeY(Number(point[which]))]));
    this.path([...edge(1), ...edge(2).reverse()]);
    pen.fillStyle = this.colour(`--chart-${colour}`);
    pen.globalAlpha = 0.18;
    pen.fill();
    pen.globalAlpha = 1;
  }

  /** @param {Series} series */
  series(series) {
    const {pen} = this;
    pen.strokeStyle = pen.fillStyle = this.colour(`--chart-${series.colour}`);
    if (series.kind === 'none') return;
    if (series.kind === 'bars') return this.bars(series);
    pen.lineWidth = series.thin ? 1 : 1.75;
    pen.lineJoin = 'round';
    pen.setLineDash(series.dashed ? [5, 4] : []);
    for (const piece of pieces(this.model.xs, series)) {
      const points = piece.map(([x, y]) => /** @type {[number, number]} */ ([this.placeX(x), this.placeY(y)]));
      if (series.kind === 'area') this.area(points);
      if (points.length === 1) this.dot(points[0] ?? [0, 0], 1.5);
      this.stroke(points);
    }
    pen.setLineDash([]);
  }

  /** @param {[number, number][]} points */
  area(points) {
    const first = points[0] ?? [0, 0];
    const last = points.at(-1) ?? first;
    this.path([[first[0], this.bottom], ...points, [last[0], this.bottom]]);
    this.pen.globalAlpha = 0.14;
    this.pen.fill();
    this.pen.globalAlpha = 1;
  }

  /** @param {Series} series each bar around its x */
  bars({ys}) {
    const {xs} = this.model;
    const width = xs.length > 1 ? this.placeX(xs[1] ?? 0) - this.placeX(xs[0] ?? 0) : 10;
    ys.forEach((y, i) => {
      if (!y) return;
      const top = Math.min(this.placeY(y), this.bottom - 1);
      this.pen.fillRect(this.placeX(xs[i] ?? 0) - width / 2 + 0.5, top, Math.max(1, width - 1), this.bottom - top);
    });
  }

  /** @param {Mark} mark */
  mark({y, name}) {
    const {pen} = this;
    const at = Math.round(this.placeY(y)) + 0.5;
    if (at < this.top || at > this.bottom) return;
    pen.strokeStyle = pen.fillStyle = this.colour('--ink');
    pen.lineWidth = 1;
    pen.setLineDash([2, 3]);
    this.stroke([[this.left, at], [this.right, at]]);
    pen.setLineDash([]);
    pen.textAlign = 'right';
    pen.textBaseline = 'bottom';
    pen.fillText(name, this.right - 2, at - 3);
  }

  /** @param {number} index */
  crosshair(index) {
    const {pen, model} = this;
    const x = this.placeX(model.xs[index] ?? 0);
    pen.strokeStyle = this.colour('--ink');
    pen.lineWidth = 1;
    this.stroke([[Math.round(x) + 0.5, this.top], [Math.round(x) + 0.5, this.bottom]]);
    for (const {ys, colour, kind} of model.series) {
      const y = ys[index];
      if (y == null || kind === 'bars' || kind === 'none') continue;
      pen.fillStyle = this.colour('--sheet');
      this.dot([x, this.placeY(y)], 5);
      pen.fillStyle = this.colour(`--chart-${colour}`);
      this.dot([x, this.placeY(y)], 3.5);
    }
  }

  /** @param {[number, number][]} points */
  path(points) {
    this.pen.beginPath();
    for (const [x, y] of points) this.pen.lineTo(x, y);
  }

  /** @param {[number, number][]} points */
  stroke(points) {
    this.path(points);
    this.pen.stroke();
  }

  /** @param {[number, number]} at @param {number} radius */
  dot([x, y], radius) {
    this.pen.beginPath();
    this.pen.arc(x, y, radius, 0, 2 * Math.PI);
    this.pen.fill();
  }
}

/**
 * The runs of points that a line is drawn through.
 * @param {number[]} xs
 * @param {Series} series
 */
export function pieces(xs, {ys, bridged}) {
  /** @type {[number, number][][]} */
  const found = [];
  let open = false;
  xs.forEach((x, i) => {
    const y = ys[i];
    if (y === null || y === undefined) {
      open &&= bridged === true;
      return;
    }
    if (!open) found.push([]);
    open = true;
    found.at(-1)?.push([x, y]);
  });
  return found;
}
