/**
 * Gestures are what mouse, finger and pen do on the surface. One is under way at a time; a second
 * finger ends it and pans and zooms instead.
 */
import {extend, pack} from './board-ink.js';
import {NOTE, readShape, room} from './board-shapes.js';

/**
 * @typedef {import('./board-model.js').Board} Board
 * @typedef {import('./board-shapes.js').Fields} Fields
 * @typedef {import('./board-people.js').Doing} Doing
 * @typedef {{x: number, y: number}} Place on the board
 * @typedef {'select' | 'pen' | 'line' | 'arrow' | 'rect' | 'ellipse' | 'note' | 'hand'} Tool
 *
 * Desk is what a gesture works with: the tool and its colour and weight. show shows what is under way, to all; lasso
 * is a box around what is to be selected; done says that an object was added.
 * @typedef {{board: Board, view: import('./board-view.js').View, tool: Tool, pen: {color: number, bold: boolean},
 *   show: (doing: Partial<Doing>) => void, lasso: (corners: number[] | null) => void,
 *   done: (id: string | null) => void, edit: (id: string) => void}} Desk
 *
 * Gesture is one that is under way. end takes it as done, cancel leaves everything as it was.
 * @typedef {{move: (place: Place, event: PointerEvent) => void, end: () => void, cancel: () => void}} Gesture
 */

const REACH = {mouse: 6, pen: 8, touch: 14}; // CSS pixels by which a pointer may miss a line
const DEFAULT_SIZE = {w: 220, h: 140}; // of a shape that is put rather than drawn
const YELLOW = 2; // of a note, unless a colour is chosen
let drafts = 0;

export class Gestures {
  #surface;
  #desk;
  /** @type {Gesture | null} */
  #gesture = null;
  /** @type {Map<number, PointerEvent>} by pointer, of those that are down, where they are */
  #down = new Map();

  /** @param {HTMLElement} surface @param {Desk} desk */
  constructor(surface, desk) {
    this.#surface = surface;
    this.#desk = desk;
    surface.addEventListener('pointerdown', (event) => this.#press(event));
    surface.addEventListener('pointermove', (event) => this.#move(event));
    surface.addEventListener('pointerup', (event) => this.#lift(event));
    surface.addEventListener('pointercancel', (event) => this.#lift(event));
    surface.addEventListener('pointerleave', () => this.#down.size || desk.show({at: null}));
    surface.addEventListener('wheel', (event) => this.#wheel(event), {passive: false});
  }

  /** Ends what is under way, without effect. @returns {boolean} whether there was something */
  cancel() {
    this.#gesture?.cancel();
    const busy = this.#gesture !== null;
    this.#gesture = null;
    return busy;
  }

  /** @param {PointerEvent} event */
  #press(event) {
    const palm = event.pointerType === 'touch' && [...this.#down.values()].some(({pointerType}) => pointerType === 'pen');
    if (palm || event.button > 1 || this.#down.size > 1) return;
    this.#surface.setPointerCapture(event.pointerId);
    this.#down.set(event.pointerId, event);
    this.cancel();
    const [one, other] = this.#down.values();
    if (one && other) this.#gesture = pinch(this.#desk, one, other);
    else this.#gesture = begin(event.button === 1 ? 'hand' : this.#desk.tool, this.#desk, event);
  }

  /** @param {PointerEvent} event */
  #move(event) {
    const {view, show} = this.#desk;
    const pressed = this.#down.has(event.pointerId);
    if (pressed) this.#down.set(event.pointerId, event);
    const steps = pressed ? event.getCoalescedEvents() : []; // there are more than frames
    for (const step of steps.length > 0 ? steps : [event]) {
      const place = view.place(step);
      if (pressed) this.#gesture?.move(place, event);
    }
    const {x, y} = view.place(event);
    show({at: [x, y]});
  }

  /** @param {PointerEvent} event */
  #lift(event) {
    if (!this.#down.delete(event.pointerId)) return;
    if (event.type === 'pointercancel') this.cancel();
    this.#gesture?.end();
    this.#gesture = null;
  }

  /** With Ctrl, which is also what a pad sends for a pinch, the wheel goes nearer; else it scrolls the page. @param {WheelEvent} event */
  #wheel(event) {
    if (!event.ctrlKey) return;
    event.preventDefault();
    this.#desk.view.nearer(Math.exp(-event.deltaY / 200), this.#desk.view.place(event));
  }
}

/** @param {Tool} tool @param {Desk} desk @param {PointerEvent} event @returns {Gesture} */
function begin(tool, desk, event) {
  const place = desk.view.place(event);
  switch (tool) {
    case 'select': return select(desk, place, event);
    case 'pen': return draw(desk, place);
    case 'hand': return pan(desk, event);
    case 'note': return {move() {}, end: () => put(desk, 'note', place), cancel() {}};
    default: return stretch(desk, tool, place);
  }
}

/** Adds an object of the usual size around a place. @param {Desk} desk @param {Exclude<Tool, 'select' | 'pen' | 'hand'>} kind @param {Place} place */
export function put({board, pen, done}, kind, {x, y}) {
  const {w, h} = kind === 'note' ? NOTE : DEFAULT_SIZE;
  const shape = readShape({kind, at: [x - w / 2, y - h / 2], size: [w, h]});
  if (!shape) return;
  const {dx, dy} = room([shape], 0, 0);
  const at = [Math.round(shape.x) + dx, Math.round(shape.y) + dy];
  done(board.add(kind === 'note' ? {kind, at, color: pen.color || YELLOW} : {kind, at, size: [w, h], ...stored(pen)}));
}

/** @param {{color: number, bold: boolean}} style */
const stored = ({color, bold}) => bold ? {color, bold} : {color};

/** A stroke of the pen. @param {Desk} desk @param {Place} start @returns {Gesture} */
function draw({board, pen, show, done}, start) {
  /** @type {number[]} */
  const way = [];
  const n = ++drafts;
  const own = stored(pen);
  const add = (/** @type {Place} */ {x, y}) => {
    extend(way, x, y);
    const shape = readShape({kind: 'stroke', at: [0, 0], ...own});
    if (shape) show({draft: {n, shape: {...shape, way: [...way]}}});
  };
  add(start);
  return {
    move: add,
    end() {
      done(board.add({kind: 'stroke', ...pack(way), ...own}));
      show({draft: null});
    },
    cancel: () => show({draft: null}),
  };
}

/** A shape between two corners or ends. @param {Desk} desk @param {'rect' | 'ellipse' | 'line' | 'arrow'} kind @param {Place} start @returns {Gesture} */
function stretch(desk, kind, start) {
  const {board, pen, show, done, view} = desk;
  const n = ++drafts;
  /** @type {Fields | null} */
  let fields = null;
  return {
    move(place, {shiftKey}) {
      const {at, size} = span(kind, start, place, shiftKey);
      fields = Math.hypot(...size) < 5 * view.unit ? null : {kind, at, size, ...stored(pen)};
      const shape = fields && readShape(fields);
      show({draft: shape && {n, shape}});
    },
    end() {
      if (fields) done(board.add(fields));
      else put(desk, kind, start);
      show({draft: null});
    },
    cancel: () => show({draft: null}),
  };
}

/** @param {string} kind @param {Place} from @param {Place} to @param {boolean} even both sides are as long */
function span(kind, from, to, even) {
  let [w, h] = [to.x - from.x, to.y - from.y].map(Math.round);
  if (even) [w, h] = [Math.sign(w ?? 0), Math.sign(h ?? 0)].map((sign) => sign * Math.max(Math.abs(w ?? 0), Math.abs(h ?? 0)));
  const [x, y] = [Math.round(from.x), Math.round(from.y)];
  if (kind === 'line' || kind === 'arrow') return {at: [x, y], size: [w ?? 0, h ?? 0]};
  return {at: [x + Math.min(0, w ?? 0), y + Math.min(0, h ?? 0)], size: [Math.abs(w ?? 0), Math.abs(h ?? 0)]};
}

/** Selects what is under the pointer and moves it, or draws a box around what to select. @param {Desk} desk @param {Place} start @param {PointerEvent} event @returns {Gesture} */
function select(desk, start, event) {
  const {board, view} = desk;
  const reach = REACH[/** @type {keyof typeof REACH} */ (event.pointerType)] ?? REACH.mouse;
  const id = board.at(start, reach * view.unit);
  if (!id) return lasso(desk, start, event.shiftKey ? board.selection : new Set());
  const again = board.selection.size === 1 && board.selection.has(id);
  if (event.shiftKey) board.select(symmetric(board.selection, id));
  else if (!board.selection.has(id)) board.select([id]);
  return drag(desk, start, () => again && board.shapes.get(id)?.kind === 'note' && desk.edit(id));
}

/** @param {ReadonlySet<string>} ids @param {string} id */
const symmetric = (ids, id) => ids.has(id) ? [...ids].filter((other) => other !== id) : [...ids, id];

/** Moves the selection. @param {Desk} desk @param {Place} start @param {() => void} tapped nothing was moved @returns {Gesture} */
function drag({board, show, view}, start, tapped) {
  const ids = new Set(board.selection);
  let [dx, dy, moved] = [0, 0, false];
  return {
    move({x, y}) {
      moved ||= Math.hypot(x - start.x, y - start.y) > 3 * view.unit;
      if (!moved) return;
      ({dx, dy} = room(board.shapesOf(ids), x - start.x, y - start.y));
      show({drag: {ids: new Set(ids), dx, dy}});
    },
    end() {
      show({drag: null});
      if (moved) board.move(ids, dx, dy);
      else tapped();
    },
    cancel: () => show({drag: null}),
  };
}

/** @param {Desk} desk @param {Place} start @param {ReadonlySet<string>} before what stays selected @returns {Gesture} */
function lasso({board, lasso: showBox}, start, before) {
  board.select(before);
  return {
    move({x, y}) {
      showBox([start.x, start.y, x, y]);
      const box = {left: Math.min(x, start.x), top: Math.min(y, start.y), right: Math.max(x, start.x), bottom: Math.max(y, start.y)};
      board.select([...before, ...board.within(box)]);
    },
    end: () => showBox(null),
    cancel: () => showBox(null),
  };
}

/** @param {Desk} desk @param {PointerEvent} start @returns {Gesture} */
function pan({view}, start) {
  let last = start;
  return {
    move(_, event) {
      view.pan((last.clientX - event.clientX) * view.unit, (last.clientY - event.clientY) * view.unit);
      last = event;
    },
    end() {},
    cancel() {},
  };
}

/** Two fingers. @param {Desk} desk @param {PointerEvent} one @param {PointerEvent} other @returns {Gesture} */
function pinch({view}, one, other) {
  const at = new Map([one, other].map((event) => [event.pointerId, event]));
  const span = () => {
    const [a = one, b = other] = at.values();
    return {clientX: (a.clientX + b.clientX) / 2, clientY: (a.clientY + b.clientY) / 2, width: Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY)};
  };
  return {
    move(_, event) {
      const before = span();
      at.set(event.pointerId, event);
      const after = span();
      view.pan((before.clientX - after.clientX) * view.unit, (before.clientY - after.clientY) * view.unit);
      if (before.width > 0) view.nearer(after.width / before.width, view.place(after));
    },
    end() {},
    cancel() {},
  };
}
