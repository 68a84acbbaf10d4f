import {clamp} from './game-flight.js';

/**
 * @typedef {import('./game-flight.js').Plane} Plane
 * @typedef {import('./game-flight.js').Law} Law
 * @typedef {import('./game-controls.js').Point} Point
 */

const LEAST_SCALE = 0.55; // pixels a unit: on a phone one sees a part of the sheet, and the plane is no fly
const MOST_RATIO = 2; // device pixels a pixel; more costs much and shows little
const TRAIL = 15; // dashes behind a plane
const DASH = 9; // units
const MOST_LABELS = 200;

const calm = matchMedia('(prefers-reduced-motion: reduce)');
const dark = matchMedia('(prefers-color-scheme: dark)');

/** The colour of a player's plane, the same in all tabs: hues that follow each other lie far apart. @param {number} id */
export function colourOf(id, shade = 0) {
  const [saturation, light] = dark.matches ? [46, 68] : [58, 58];
  return `hsl(${Math.round(id * 137.5 + 150) % 360} ${saturation}% ${light - shade}%)`;
}

/** Sheet draws the fanfold paper and what flies over it on a canvas. */
export class Sheet {
  #canvas;
  #context;
  #law;
  #scale = 1; // pixels a unit
  #ratio = 1; // device pixels a pixel
  /** @type {Point} the window's corner on the sheet, in units */
  #corner = {x: 0, y: 0};
  /** @type {HTMLCanvasElement} the empty sheet, drawn once for each size and scheme */
  #paper = document.createElement('canvas');
  /** The sheet with the scraps on it, drawn when those change. */
  #ground = document.createElement('canvas');
  #scraps = '';
  /** @type {Map<string, HTMLCanvasElement>} names as they are drawn */
  #labels = new Map();
  #colours = {sheet: '', bar: '', line: '', desk: '', ink: '', green: '', amber: ''};
  /** @type {Map<number, Point[]>} dashes behind each plane, the newest last */
  #trails = new Map();
  /** Whether it must be drawn although nothing flies. */
  stale = true;

  /** @param {HTMLCanvasElement} canvas @param {Law} law */
  constructor(canvas, law) {
    this.#canvas = canvas;
    this.#context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d', {alpha: false}));
    this.#law = law;
    new ResizeObserver(() => this.#fit()).observe(canvas);
    dark.addEventListener('change', () => this.#fit());
    this.#fit();
  }

  /** Where in the sheet a point of the window is. @param {Point} point */
  toSheet({x, y}) {
    const {left, top} = this.#canvas.getBoundingClientRect();
    return {x: (x - left) / this.#scale + this.#corner.x, y: (y - top) / this.#scale + this.#corner.y};
  }

  /**
   * Draws a moment.
   * @param {Plane[]} planes
   * @param {number[]} scraps x, y, x, y and so on
   * @param {{me: number, leader: number, now: number}} options
   */
  draw(planes, scraps, {me, leader, now}) {
    if (this.#ratio !== pixelRatio()) this.#fit(); // the window is on another screen now
    const c = this.#context;
    this.#look(planes.find(({id}) => id === me) ?? planes.find(({id}) => id === leader));
    this.#lengthenTrails(planes);
    const zoom = this.#scale * this.#ratio;
    c.setTransform(1, 0, 0, 1, 0, 0);
    this.#strew(scraps, zoom);
    c.drawImage(this.#ground, -this.#corner.x * zoom, -this.#corner.y * zoom);
    c.setTransform(zoom, 0, 0, zoom, -this.#corner.x * zoom, -this.#corner.y * zoom);
    for (const plane of planes) this.#trail(plane.id);
    for (const plane of planes) this.#shadow(plane);
    for (const plane of planes) this.#plane(plane, now, plane.id === leader);
    for (const plane of planes) this.#name(plane, plane.id === me, plane.id === leader);
    this.stale = false;
  }

  /** Fits the drawing to the canvas' box: it covers it. */
  #fit() {
    const {clientWidth: width, clientHeight: height} = this.#canvas;
    this.#ratio = pixelRatio();
    this.#canvas.width = Math.round(width * this.#ratio);
    this.#canvas.height = Math.round(height * this.#ratio);
    this.#scale = Math.max(width / this.#law.width, height / this.#law.height, LEAST_SCALE);
    const style = getComputedStyle(this.#canvas);
    const token = (/** @type {string} */ name) => style.getPropertyValue(`--${name}`);
    this.#colours = {
      sheet: token('sheet'), bar: token('bar'), line: token('line'), desk: token('desk'),
      ink: token('ink'), green: token('green'), amber: token('amber'),
    };
    this.#print();
    this.#scraps = '';
    this.#labels.clear();
    this.stale = true;
  }

  /** Keeps a plane in view. @param {Plane | undefined} plane */
  #look(plane) {
    const {width, height} = this.#law;
    const [w, h] = [this.#canvas.clientWidth / this.#scale, this.#canvas.clientHeight / this.#scale];
    const {x, y} = plane ?? {x: width / 2, y: height / 2};
    this.#corner = {x: clamp(x - w / 2, 0, Math.max(0, width - w)), y: clamp(y - h / 2, 0, Math.max(0, height - h))};
  }

  /** The empty sheet: green bars, a fold, holes and where the strips with them tear off. */
  #print() {
    const {width, height} = this.#law;
    const zoom = this.#scale * this.#ratio;
    const c = blank(this.#paper, width * zoom, height * zoom);
    const {sheet, bar, line, desk} = this.#colours;
    c.scale(zoom, zoom);
    c.fillStyle = sheet;
    c.fillRect(0, 0, width, height);
    c.fillStyle = bar;
    for (let y = 0; y < height; y += 100) c.fillRect(0, y, width, 50);
    this.#fold(c, height / 2);
    c.strokeStyle = line;
    c.fillStyle = desk;
    c.lineWidth = 1.5;
    for (const x of [24, width - 24]) {
      for (let y = 25; y < height; y += 50) disc(c, x, y, 9);
    }
    c.setLineDash([6, 6]);
    for (const x of [48, width - 48]) stroke(c, [[x, 0], [x, height]]);
    stroke(c, [[0, height / 2], [width, height / 2]]);
  }

  /** Light falls on the paper from above, over a fold. @param {CanvasRenderingContext2D} c @param {number} y */
  #fold(c, y) {
    const shade = c.createLinearGradient(0, y - 70, 0, y + 70);
    shade.addColorStop(0, 'rgb(0 0 0 / 0%)');
    shade.addColorStop(0.5, `rgb(0 0 0 / ${dark.matches ? 16 : 5}%)`);
    shade.addColorStop(0.5, `rgb(255 255 255 / ${dark.matches ? 4 : 45}%)`);
    shade.addColorStop(1, 'rgb(255 255 255 / 0%)');
    c.fillStyle = shade;
    c.fillRect(0, y - 70, this.#law.width, 140);
  }

  /** @param {number[]} scraps @param {number} zoom */
  #strew(scraps, zoom) {
    const now = scraps.join();
    if (now === this.#scraps && !this.stale) return;
    this.#scraps = now;
    const {width, height} = this.#paper;
    if (this.#ground.width !== width || this.#ground.height !== height) blank(this.#ground, width, height);
    const c = /** @type {CanvasRenderingContext2D} */ (this.#ground.getContext('2d'));
    c.setTransform(1, 0, 0, 1, 0, 0);
    c.drawImage(this.#paper, 0, 0);
    c.scale(zoom, zoom);
    for (let i = 0; i + 1 < scraps.length; i += 2) scrap(c, scraps[i] ?? 0, scraps[i + 1] ?? 0);
  }

  /** @param {Plane[]} planes */
  #lengthenTrails(planes) {
    const old = this.#trails;
    this.#trails = new Map();
    if (calm.matches) return;
    for (const {id, x, y, size, heading} of planes) {
      const tail = {x: x - size * 0.7 * Math.cos(heading), y: y - size * 0.7 * Math.sin(heading)};
      this.#trails.set(id, lengthen(old.get(id) ?? [tail], tail));
    }
  }

  /** @param {number} id */
  #trail(id) {
    const c = this.#context;
    const trail = this.#trails.get(id) ?? [];
    c.strokeStyle = colourOf(id, dark.matches ? 12 : 4);
    c.lineWidth = 2.5;
    c.lineCap = 'round';
    for (let i = 0; i + 1 < trail.length; i += 2) {
      c.globalAlpha = 0.75 * (i + 2) / (2 * TRAIL);
      stroke(c, trail.slice(i, i + 2).map(({x, y}) => [x, y]));
    }
    c.globalAlpha = 1;
    c.lineCap = 'butt';
  }

  /** Soft, since it is two: the bigger the plane, the higher it flies. @param {Plane} plane */
  #shadow({x, y, heading, size}) {
    const c = this.#context;
    c.fillStyle = dark.matches ? 'rgb(0 0 0 / 26%)' : 'rgb(20 40 30 / 9%)';
    for (const grown of [1.12, 0.98]) {
      c.save();
      c.translate(x + size * 0.22, y + size * 0.42);
      c.rotate(heading);
      c.scale(size * grown, size * grown);
      fill(c, [[1, 0], [-0.85, -0.72], [-0.62, 0], [-0.85, 0.72]]);
      c.restore();
    }
  }

  /** Two wings, and the keel between them. @param {Plane} plane @param {number} now @param {boolean} leads */
  #plane({id, x, y, heading, size, shaken}, now, leads) {
    const c = this.#context;
    c.save();
    c.translate(x, y);
    c.save();
    c.rotate(heading + (shaken && !calm.matches ? 0.12 * Math.sin(now / 60) : 0));
    c.scale(size, size);
    c.globalAlpha = shaken ? 0.6 : 1;
    const wings = /** @type {[number, number[][]][]} */ ([
      [0, [[1, 0], [-0.85, -0.72], [-0.68, -0.12]]], [10, [[1, 0], [-0.85, 0.72], [-0.68, 0.12]]],
      [22, [[1, 0], [-0.68, -0.12], [-0.5, 0], [-0.68, 0.12]]],
    ]);
    c.lineJoin = 'round';
    c.lineWidth = 1.2 / size;
    c.strokeStyle = dark.matches ? '#0008' : '#0005';
    for (const [shade, outline] of wings) {
      c.fillStyle = colourOf(id, shade);
      fill(c, outline);
      c.stroke();
    }
    c.restore();
    if (leads) this.#crown(size);
    c.restore();
  }

  /** Above a plane, at the origin. @param {number} size */
  #crown(size) {
    const c = this.#context;
    c.translate(0, -size - 10);
    c.fillStyle = this.#colours.amber;
    c.strokeStyle = this.#colours.sheet;
    c.lineWidth = 2;
    path(c, [[-12, 6], [-13, -7], [-6, -1], [0, -11], [6, -1], [13, -7], [12, 6]]);
    c.stroke();
    c.fill();
  }

  /** Below a plane if there is room, else above it and its crown. @param {Plane} plane @param {boolean} own @param {boolean} leads */
  #name({x, y, size, name, load}, own, leads) {
    const c = this.#context;
    const [left, right] = [this.#corner.x, this.#corner.x + this.#canvas.clientWidth / this.#scale];
    if (x < left || x > right) return;
    const label = this.#label(load ? `${name} · ${load}` : name, own);
    const zoom = this.#scale * this.#ratio;
    const [width, height] = [label.width / zoom, label.height / zoom];
    const at = clamp(x - width / 2, left, right - width);
    const above = y - size - height - (leads ? 18 : 0);
    c.drawImage(label, at, y + size + height > this.#law.height ? above : y + size, width, height);
  }

  /** A text with a rim of paper: slow to draw, so it is kept. @param {string} text @param {boolean} own */
  #label(text, own) {
    const key = `${own} ${text}`;
    const kept = this.#labels.get(key);
    if (kept) return kept;
    if (this.#labels.size >= MOST_LABELS) this.#labels.clear();
    const label = document.createElement('canvas');
    const font = `${own ? 700 : 500} ${12.5 * this.#ratio}px system-ui, sans-serif`;
    this.#context.font = font;
    const c = blank(label, this.#context.measureText(text).width + 10 * this.#ratio, 22 * this.#ratio, true);
    c.font = font;
    c.textAlign = 'center';
    c.textBaseline = 'middle';
    c.lineJoin = 'round';
    c.lineWidth = 4 * this.#ratio;
    c.strokeStyle = this.#colours.sheet;
    c.fillStyle = own ? this.#colours.green : this.#colours.ink;
    c.strokeText(text, label.width / 2, label.height / 2);
    c.fillText(text, label.width / 2, label.height / 2);
    this.#labels.set(key, label);
    return label;
  }
}

const pixelRatio = () => Math.min(devicePixelRatio, MOST_RATIO);

/** Gives a canvas a size in device pixels, which empties it. @param {HTMLCanvasElement} canvas @param {number} width @param {number} height */
function blank(canvas, width, height, alpha = false) {
  canvas.width = Math.ceil(width);
  canvas.height = Math.ceil(height);
  return /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d', {alpha}));
}

/** A torn piece of a copy, which are white, yellow and pink. @param {CanvasRenderingContext2D} c @param {number} x @param {number} y */
function scrap(c, x, y) {
  const seed = (x * 7 + y * 13) % 97;
  const [a, b] = [7 + seed % 4, 6 + seed % 3];
  const outline = [[-a, -b], [a - 2, -b - 1], [a + 1, b - 2], [0, b + 1], [-a + 1, b - 1]];
  const tints = dark.matches ? ['#d8dcd3', '#d9cb8f', '#d3a5a8'] : ['#fffdf6', '#fbe9a0', '#f6c9cb'];
  c.strokeStyle = dark.matches ? '#0006' : '#0004';
  c.lineWidth = 1;
  for (const [drop, colour] of /** @type {[number, string][]} */ ([[4, 'rgb(0 0 0 / 16%)'], [0, tints[seed % 3]]])) {
    c.save();
    c.translate(x + drop / 2, y + drop);
    c.rotate(seed);
    c.fillStyle = colour;
    fill(c, outline);
    if (!drop) c.stroke();
    c.restore();
  }
}

/** Goes on to a point, a dash at a time. @param {Point[]} trail @param {Point} to */
function lengthen(trail, to) {
  for (let steps = 0; ; steps++) {
    const last = trail.at(-1) ?? to;
    const far = Math.hypot(to.x - last.x, to.y - last.y);
    if (far < DASH) break;
    if (steps > TRAIL) return [to]; // it has come from elsewhere
    trail.push({x: last.x + (to.x - last.x) * DASH / far, y: last.y + (to.y - last.y) * DASH / far});
  }
  while (trail.length > 2 * TRAIL) trail.splice(0, 2); // a dash and its gap, so that the others keep still
  return trail;
}

/** @param {CanvasRenderingContext2D} c @param {number[][]} points */
function path(c, points) {
  c.beginPath();
  for (const [x = 0, y = 0] of points) c.lineTo(x, y);
  c.closePath();
}

/** @param {CanvasRenderingContext2D} c @param {number[][]} points */
function fill(c, points) {
  path(c, points);
  c.fill();
}

/** @param {CanvasRenderingContext2D} c @param {number[][]} points */
function stroke(c, points) {
  c.beginPath();
  for (const [x = 0, y = 0] of points) c.lineTo(x, y);
  c.stroke();
}

/** @param {CanvasRenderingContext2D} c @param {number} x @param {number} y @param {number} radius */
function disc(c, x, y, radius) {
  c.beginPath();
  c.arc(x, y, radius, 0, 2 * Math.PI);
  c.fill();
  c.stroke();
}
