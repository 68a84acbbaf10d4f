/**
 * Board is the whiteboard as this tab has it: the shapes that a replica's objects are, what its
 * user has selected, and what they can do to it. It knows nothing of the page.
 */
import {Emitter} from '../subscription.js';
import {hits, readShape, room, touches} from './board-shapes.js';

/**
 * @typedef {import('./board-shapes.js').Shape} Shape
 * @typedef {import('./board-shapes.js').Fields} Fields
 *
 * Events: shapes tells which have come, changed or gone; selected that others are; trouble why something
 * could not be done.
 * @typedef {{shapes: {ids: Iterable<string>}, selected: null, trouble: string}} BoardEvents
 */

const MOST_DROPPED = 32 * 1024; // characters of objects that go at once: to undo it is one message, which has them all

/** @extends {Emitter<BoardEvents>} */
export class Board extends Emitter {
  /** @type {Map<string, Shape>} by the ids of their objects */
  shapes = new Map();
  /** @type {ReadonlySet<string>} ids of shapes */
  selection = new Set();
  #replica;

  /** @param {import('./replica.js').Replica} replica */
  constructor(replica) {
    super();
    this.#replica = replica;
    replica.on('change', ({ids}) => this.#take(ids));
    replica.on('error', ({message}) => this.emit('trouble', message));
  }

  /** The selected shapes. */
  get selected() {
    return this.shapesOf(this.selection);
  }

  /** @param {Iterable<string>} ids */
  shapesOf(ids) {
    return [...ids].flatMap((id) => this.shapes.get(id) ?? []);
  }

  /** @param {Iterable<string>} ids */
  select(ids) {
    const before = this.selection;
    this.selection = new Set([...ids].filter((id) => this.shapes.has(id)));
    const same = before.size === this.selection.size && [...before].every((id) => this.selection.has(id));
    if (!same) this.emit('selected', null);
  }

  /** The topmost shape at a place. @param {{x: number, y: number}} place @param {number} reach @returns {string | null} */
  at({x, y}, reach) {
    let found = {id: /** @type {string | null} */ (null), z: -Infinity};
    for (const [id, shape] of this.shapes) {
      const above = shape.z > found.z || shape.z === found.z && id > (found.id ?? '');
      if (above && hits(shape, x, y, reach)) found = {id, z: shape.z};
    }
    return found.id;
  }

  /** The ids of what a box touches. @param {{left: number, top: number, right: number, bottom: number}} box */
  within(box) {
    return [...this.shapes].filter(([, shape]) => touches(shape, box)).map(([id]) => id);
  }

  /** Adds an object above all others. @param {Fields} fields @returns {string | null} its id; null: it could not be added */
  add(fields) {
    const z = Math.max(0, ...[...this.shapes.values()].map((shape) => shape.z)) + 1;
    return this.#do(() => {
      const id = this.#replica.make({...fields, z});
      this.#take([id]);
      return id;
    });
  }

  /** Moves shapes as far as there is room. @param {Iterable<string>} ids @param {number} x @param {number} y */
  move(ids, x, y) {
    const {dx, dy} = room(this.shapesOf(ids), x, y);
    if (dx !== 0 || dy !== 0) this.#set(ids, (shape) => ({at: [shape.x + dx, shape.y + dy]}));
  }

  /** Gives the selected shapes another colour or weight. @param {{color?: number, bold?: boolean}} style */
  restyle(style) {
    this.#set(this.selection, () => style);
  }

  /** @param {string} id @param {string} text */
  write(id, text) {
    this.#set([id], () => ({text}));
  }

  /** Drops objects; many in several steps. @param {Iterable<string>} ids */
  drop(ids) {
    for (const part of this.#parts(ids)) this.#do(() => this.#replica.change({drop: part}));
  }

  /** Drops all objects, those that can't be shown too. */
  clear() {
    this.drop(this.#replica.objects.keys());
  }

  undo() {
    this.#do(() => this.#replica.undo());
  }

  redo() {
    this.#do(() => this.#replica.redo());
  }

  /** @param {Iterable<string>} ids @param {(shape: Shape) => object} fieldsOf */
  #set(ids, fieldsOf) {
    const set = Object.fromEntries([...ids].flatMap((id) => {
      const shape = this.shapes.get(id);
      return shape ? [[id, fieldsOf(shape)]] : [];
    }));
    if (Object.keys(set).length === 0) return;
    this.#do(() => this.#replica.change({set}));
    this.#take(Object.keys(set));
  }

  /** Divides ids so that the objects of each part fit into one message. @param {Iterable<string>} ids */
  #parts(ids) {
    /** @type {string[][]} */
    const parts = [];
    let length = Infinity;
    for (const id of ids) {
      const own = JSON.stringify(this.#replica.objects.get(id) ?? null).length;
      if (length + own > MOST_DROPPED) length = parts.push([]) * 0;
      length += own + id.length;
      parts.at(-1)?.push(id);
    }
    return parts;
  }

  /** @param {Iterable<string>} ids of objects that may be others now */
  #take(ids) {
    let deselected = false;
    for (const id of ids) {
      const shape = readShape(this.#replica.objects.get(id));
      if (shape) this.shapes.set(id, shape);
      else this.shapes.delete(id);
      deselected ||= !shape && this.selection.has(id);
    }
    this.emit('shapes', {ids});
    if (deselected) this.select(this.selection);
  }

  /** @template T @param {() => T} action @returns {T | null} null: it could not be done, which trouble tells */
  #do(action) {
    try {
      return action();
    } catch (error) {
      this.emit('trouble', error instanceof Error ? error.message : String(error));
      return null;
    }
  }
}
