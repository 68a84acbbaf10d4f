/**
 * What can be on the board: how an object's fields are read, where it is, how it is outlined and
 * called. Anybody may publish to the board's channel, so fields are believed only as far as they
 * make sense.
 */
import {curve, passes, unpack} from './board-ink.js';

/** The board's size, in units of its own: the same for everybody, whatever their window. */
export const WIDTH = 1600;
export const HEIGHT = 1000;
export const COLOURS = ['ink', 'red', 'amber', 'green', 'blue', 'violet'];
export const LONGEST_NOTE = 200;
export const NOTE = {w: 220, h: 180};
const EDGE = 30; // of a shape, stays on the board
const NAMES = {stroke: 'Pen stroke', rect: 'Rectangle', ellipse: 'Ellipse', line: 'Line', arrow: 'Arrow', note: 'Sticky note'};

/**
 * Shape is an object as it is shown. w and h lead from its place to its other corner or end; way is
 * that of a stroke, from its place. What has a higher z covers what has a lower.
 * @typedef {keyof typeof NAMES} Kind
 * @typedef {{kind: Kind, x: number, y: number, w: number, h: number, z: number, color: number, bold: boolean,
 *   way: readonly number[], text: string}} Shape
 *
 * Fields are what is stored of it. A place is one field, as half of a move makes no sense.
 * @typedef {{kind: Kind, at: number[], size?: number[], ink?: string, z?: number, color?: number,
 *   bold?: boolean, text?: string}} Fields
 */

/** @param {unknown} object an object's fields @returns {Shape | null} null: it is nothing to show */
export function readShape(object) {
  const {kind, at, size, ink, z, color, bold, text} = Object(object);
  if (typeof kind !== 'string' || !Object.hasOwn(NAMES, kind)) return null;
  const place = numbers(at, 2);
  const extent = numbers(size, 2);
  if (place.length < 2) return null;
  const way = kind === 'stroke' ? unpack(typeof ink === 'string' ? ink : '') : [];
  const [w = 0, h = 0] = kind === 'stroke' ? [] : kind === 'note' ? [NOTE.w, NOTE.h] : extent;
  return {
    kind: /** @type {Kind} */ (kind), w, h, way,
    x: place[0] ?? 0, y: place[1] ?? 0,
    z: Number.isFinite(z) ? z : 0,
    color: Number.isInteger(color) && color >= 0 && color < COLOURS.length ? color : 0,
    bold: bold === true,
    text: typeof text === 'string' ? text.slice(0, LONGEST_NOTE) : '',
  };
}

/** The finite numbers that a list begins with. @param {unknown} list @param {number} most */
export function numbers(list, most) {
  if (!Array.isArray(list)) return [];
  const first = list.slice(0, most);
  const end = first.findIndex((value) => !Number.isFinite(value));
  return (end < 0 ? first : first.slice(0, end)).map((value) => clamp(value, -WIDTH, 2 * WIDTH));
}

/** @param {number} value @param {number} least @param {number} most */
export const clamp = (value, least, most) => Math.max(least, Math.min(most, value));

/** The box around a shape. @param {Shape} shape */
export function boundsOf({x, y, w, h, way}) {
  let [left, top, right, bottom] = [Math.min(0, w), Math.min(0, h), Math.max(0, w), Math.max(0, h)];
  for (let i = 0; i < way.length; i += 2) {
    left = Math.min(left, way[i] ?? 0);
    right = Math.max(right, way[i] ?? 0);
    top = Math.min(top, way[i + 1] ?? 0);
    bottom = Math.max(bottom, way[i + 1] ?? 0);
  }
  return {left: x + left, top: y + top, right: x + right, bottom: y + bottom};
}

/** The path of a shape for SVG, from its place at 0, 0. @param {Shape} shape */
export function outline({kind, w, h, way}) {
  switch (kind) {
    case 'stroke': return curve([...way]);
    case 'ellipse': return `M0 ${h / 2}a${w / 2} ${h / 2} 0 1 1 ${w} 0a${w / 2} ${h / 2} 0 1 1 ${-w} 0z`;
    case 'line': return `M0 0L${w} ${h}`;
    case 'arrow': return `M0 0L${w} ${h}${barbs(w, h)}`;
    default: return `M0 0h${w}v${h}h${-w}z`;
  }
}

/** @param {number} w @param {number} h */
function barbs(w, h) {
  const length = Math.min(28, Math.hypot(w, h) / 2);
  const angle = Math.atan2(h, w);
  const barb = (/** @type {number} */ turn) =>
    `M${w} ${h}l${round(-length * Math.cos(angle + turn))} ${round(-length * Math.sin(angle + turn))}`;
  return barb(0.45) + barb(-0.45);
}

const round = (/** @type {number} */ value) => Math.round(value * 10) / 10;

/**
 * Whether a pointer is at a shape: anywhere on a note, else at its line.
 * @param {Shape} shape
 * @param {number} x
 * @param {number} y
 * @param {number} reach how far from the line still counts
 */
export function hits(shape, x, y, reach) {
  const box = boundsOf(shape);
  if (x < box.left - reach || x > box.right + reach || y < box.top - reach || y > box.bottom + reach) return false;
  return shape.kind === 'note' || passes(wayOf(shape), x - shape.x, y - shape.y, reach);
}

/** The line that a shape is drawn with, as a way. @param {Shape} shape */
function wayOf({kind, w, h, way}) {
  if (kind === 'stroke') return [...way];
  if (kind === 'line' || kind === 'arrow') return [0, 0, w, h];
  if (kind === 'rect') return [0, 0, w, 0, w, h, 0, h, 0, 0];
  return Array.from({length: 33}, (_, i) => i * Math.PI / 16)
    .flatMap((angle) => [w / 2 + w / 2 * Math.cos(angle), h / 2 + h / 2 * Math.sin(angle)]);
}

/** Whether a shape is touched by a box. @param {Shape} shape @param {ReturnType<typeof boundsOf>} box */
export function touches(shape, box) {
  const own = boundsOf(shape);
  return own.left <= box.right && own.right >= box.left && own.top <= box.bottom && own.bottom >= box.top;
}

/**
 * How far shapes can go of a way, so that some of each stays on the board.
 * @param {Shape[]} shapes
 * @param {number} dx
 * @param {number} dy
 */
export function room(shapes, dx, dy) {
  for (const box of shapes.map(boundsOf)) {
    dx = clamp(dx, EDGE - box.right, WIDTH - EDGE - box.left);
    dy = clamp(dy, EDGE - box.bottom, HEIGHT - EDGE - box.top);
  }
  return {dx: Math.round(dx), dy: Math.round(dy)};
}

/** What a shape is called, where it is and, of a note, what it says. @param {Shape} shape */
export function describe(shape) {
  const {left, top} = boundsOf(shape);
  const said = shape.kind !== 'note' ? '' : shape.text.trim() ? ` “${shape.text.trim()}”` : ', empty';
  return `${NAMES[shape.kind]}${said}, ${COLOURS[shape.color]}, at ${Math.round(left)}, ${Math.round(top)}`;
}

/** @param {Kind} kind */
export const nameOf = (kind) => NAMES[kind];
