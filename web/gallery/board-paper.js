/**
 * Paper draws the board as SVG. Whatever is told between two frames is drawn once, in the
 * next: only what has changed, and nothing while the page is hidden.
 */
import {find} from '../dom.js';
import {boundsOf, outline} from './board-shapes.js';

/**
 * @typedef {import('./board-shapes.js').Shape} Shape
 * @typedef {{element: SVGGElement, shape: Shape, drawn: Shape | null, gone?: boolean}} Entry drawn is how it was drawn last
 * @typedef {{ids: Set<string>, dx: number, dy: number}} Hold
 */

const SVG = 'http://www.w3.org/2000/svg';
const TEXT_SIZES = ['large', 'medium', 'small', 'tiny'];

export class Paper {
  /** The surface. */
  svg;
  #objects;
  #drafts;
  #marks;
  /** @type {Map<string, Entry>} by object id */
  #entries = new Map();
  /** @type {Map<string, Entry>} what is being drawn, by who draws it */
  #sketches = new Map();
  /** @type {Map<string, Hold>} what is being moved, by who moves it */
  #holds = new Map();
  /** @type {Set<Entry>} to be drawn */
  #dirty = new Set();
  /** @type {ReadonlySet<string>} */
  #selected = new Set();
  /** @type {number[] | null} the corners of a box that is being drawn around objects */
  #lasso = null;
  #frame = 0;

  /** @param {SVGSVGElement} svg */
  constructor(svg) {
    this.svg = svg;
    this.#objects = find(svg, '[data-part=objects]', SVGGElement);
    this.#drafts = find(svg, '[data-part=drafts]', SVGGElement);
    this.#marks = find(svg, '[data-part=marks]', SVGPathElement);
  }

  /** Shows an object, or no longer. @param {string} id @param {Shape | undefined} shape */
  set(id, shape) {
    const known = this.#entries.get(id);
    if (!shape) return this.#remove(this.#entries, id);
    if (known && (known.shape.x !== shape.x || known.shape.y !== shape.y)) this.#landed(id);
    const entry = known ?? {element: group(id), shape, drawn: null};
    entry.shape = shape;
    this.#entries.set(id, entry);
    this.#draw(entry);
  }

  /** Shows what somebody is drawing. @param {string} who @param {Shape | null} shape null: nothing any more */
  sketch(who, shape) {
    if (!shape) return this.#remove(this.#sketches, who);
    const entry = this.#sketches.get(who) ?? {element: group(''), shape, drawn: null};
    entry.shape = shape;
    this.#sketches.set(who, entry);
    this.#draw(entry);
  }

  /** Shows objects that somebody is moving. @param {string} who @param {Hold | null} hold null: none any more */
  hold(who, hold) {
    const before = this.#holds.get(who);
    if (hold) this.#holds.set(who, hold);
    else this.#holds.delete(who);
    for (const id of [...before?.ids ?? [], ...hold?.ids ?? []]) {
      const entry = this.#entries.get(id);
      if (entry) this.#draw(entry);
    }
  }

  /** Marks the selected objects, and the box that is drawn to select more. @param {ReadonlySet<string>} ids @param {number[] | null} lasso */
  mark(ids, lasso) {
    this.#selected = ids;
    this.#lasso = lasso;
    this.#draw();
  }

  /** An object has moved for good: nobody is moving it any more. @param {string} id */
  #landed(id) {
    for (const {ids} of this.#holds.values()) ids.delete(id);
  }

  /** @param {Map<string, Entry>} entries @param {string} id */
  #remove(entries, id) {
    const entry = entries.get(id);
    if (!entry) return;
    entries.delete(id);
    entry.gone = true;
    this.#draw(entry);
  }

  /** Draws in the next frame. @param {Entry} [entry] */
  #draw(entry) {
    if (entry) this.#dirty.add(entry);
    this.#frame ||= requestAnimationFrame(() => this.#flush());
  }

  #flush() {
    this.#frame = 0;
    /** @type {Entry[]} */
    const written = [];
    for (const entry of this.#dirty) if (this.#update(entry)) written.push(entry);
    this.#dirty.clear();
    fitTexts(written.map(({element}) => element));
    this.#marks.setAttribute('d', this.#outlines());
  }

  /** @param {Entry} entry @returns {boolean} whether it shows a text that is new */
  #update(entry) {
    const {element, shape, drawn, gone} = entry;
    if (gone) element.remove();
    if (gone) return false;
    const id = element.dataset.id ?? '';
    const {dx, dy} = this.#shiftOf(id);
    element.setAttribute('transform', `translate(${shape.x + dx} ${shape.y + dy})`);
    element.setAttribute('data-kind', shape.kind);
    element.setAttribute('data-color', String(shape.color));
    element.toggleAttribute('data-bold', shape.bold);
    entry.drawn = shape;
    if (shape.kind !== drawn?.kind) element.replaceChildren(shape.kind === 'note' ? note(shape) : path());
    const written = shape.kind === 'note' && shape.text !== drawn?.text;
    if (written) write(element, shape.text);
    if (shape.kind !== 'note' && !sameOutline(shape, drawn)) element.firstElementChild?.setAttribute('d', outline(shape));
    if (!element.parentNode || shape.z !== drawn?.z) this.#insert(element, id, shape.z);
    return written;
  }

  /** How far an object is away from its place by those who move it. @param {string} id */
  #shiftOf(id) {
    let [dx, dy] = [0, 0];
    for (const hold of this.#holds.values()) {
      if (!hold.ids.has(id)) continue;
      dx += hold.dx;
      dy += hold.dy;
    }
    return {dx, dy};
  }

  /** Puts an element above those that it covers. A new one mostly covers all. @param {SVGGElement} element @param {string} id @param {number} z */
  #insert(element, id, z) {
    if (!id) return this.#drafts.append(element);
    let below = this.#objects.lastElementChild;
    while (below && this.#covers(below, id, z)) below = below.previousElementSibling;
    if (below === element) return;
    if (below) below.after(element);
    else this.#objects.prepend(element);
  }

  /** Whether an element covers an object, which is the same for everybody. @param {Element} element @param {string} id @param {number} z */
  #covers(element, id, z) {
    const other = /** @type {SVGGElement} */ (element).dataset.id ?? '';
    if (other === id) return true;
    const order = this.#entries.get(other)?.drawn?.z ?? 0;
    return order > z || order === z && other > id;
  }

  /** The path around what is selected. */
  #outlines() {
    const boxes = [...this.#selected].flatMap((id) => this.#entries.get(id) ?? []).map(({element, shape}) => {
      const {left, top, right, bottom} = boundsOf(shape);
      const {dx, dy} = this.#shiftOf(element.dataset.id ?? '');
      return box(left + dx - 8, top + dy - 8, right + dx + 8, bottom + dy + 8);
    });
    const [ax, ay, bx, by] = this.#lasso ?? [];
    if (ax !== undefined && ay !== undefined && bx !== undefined && by !== undefined) boxes.push(box(ax, ay, bx, by));
    return boxes.join('');
  }
}

/** @param {number} left @param {number} top @param {number} right @param {number} bottom */
const box = (left, top, right, bottom) => `M${left} ${top}H${right}V${bottom}H${left}z`;

/** @param {string} id '' for what is no object yet */
function group(id) {
  const element = document.createElementNS(SVG, 'g');
  if (id) element.dataset.id = id;
  return element;
}

const path = () => document.createElementNS(SVG, 'path');

/** @param {Shape} shape */
function note({w, h}) {
  const frame = document.createElementNS(SVG, 'foreignObject');
  frame.setAttribute('width', String(w));
  frame.setAttribute('height', String(h));
  const sheet = document.createElement('div');
  sheet.className = 'sticky';
  sheet.append(document.createElement('p'));
  frame.append(sheet);
  return frame;
}

/** @param {SVGGElement} element @param {string} text */
function write(element, text) {
  const paragraph = find(element, 'p', HTMLParagraphElement);
  paragraph.dir = 'auto';
  paragraph.textContent = text;
}

/** Writes each note as large as its text fits. @param {Element[]} notes */
function fitTexts(notes) {
  const sheets = notes.map((element) => find(element, '.sticky', HTMLElement));
  let open = sheets;
  for (const size of TEXT_SIZES) { // all at once, so that the page is laid out but once for each size
    for (const sheet of open) sheet.dataset.size = size;
    open = open.filter((sheet) => sheet.scrollHeight > sheet.clientHeight || sheet.scrollWidth > sheet.clientWidth);
    if (open.length === 0) return;
  }
}

/** @param {Shape} shape @param {Shape | null} drawn */
function sameOutline(shape, drawn) {
  if (shape.kind !== drawn?.kind || shape.w !== drawn.w || shape.h !== drawn.h) return false;
  return shape.way === drawn.way || shape.way.length === drawn.way.length && shape.way.every((value, i) => value === drawn.way[i]);
}
