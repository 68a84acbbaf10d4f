import {fill, find, stamp} from '../dom.js';
import {age, curve} from './topics.js';

const WIDTH = 80; // of a curve's box
const HEIGHT = 20;
const MARGIN = 1.5; // so that a line at the edge is seen whole

/**
 * Tree shows topics as an ARIA tree: one place in the order of Tab, arrows go on from there.
 * Only what has changed is drawn.
 */
export class Tree {
  #root;
  #topics;
  #onChoose;
  /** @type {Map<string, {element: HTMLElement, drawn: string, points: number}>} by key */
  #rows = new Map();
  /** @type {import('./topics.js').Node[]} as shown */
  #nodes = [];
  #filter = '';
  #current = ''; // key of the row that Tab leads to
  #chosen = '';

  /**
   * @param {HTMLElement} root
   * @param {import('./topics.js').Topics} topics
   * @param {(channel: string) => void} onChoose
   */
  constructor(root, topics, onChoose) {
    this.#root = root;
    this.#topics = topics;
    this.#onChoose = onChoose;
    root.addEventListener('click', (event) => this.#clicked(event));
    root.addEventListener('keydown', (event) => this.#pressed(event));
  }

  /**
   * Shows the topics as they are now.
   * @param {string} filter
   * @param {Set<string>} [changed] channels that have changed; without it, all may have
   */
  draw(filter, changed) {
    const now = Date.now();
    const before = this.#nodes;
    this.#filter = filter;
    this.#nodes = this.#topics.rows(filter);
    if (this.#nodes !== before) this.#arrange();
    for (const node of this.#nodes) {
      if (this.#nodes !== before || !changed || changed.has(node.key)) this.#drawRow(node, now);
    }
    if (!this.#rows.has(this.#current)) this.#focusable(this.#nodes[0]?.key ?? '');
  }

  /** Puts the rows in order, moving none that is in its place: the focus stays. */
  #arrange() {
    const keys = new Set(this.#nodes.map(({key}) => key));
    for (const [key, {element}] of this.#rows) {
      if (keys.has(key)) continue;
      element.remove();
      this.#rows.delete(key);
    }
    let next = this.#root.firstElementChild;
    for (const {key} of this.#nodes) {
      const element = this.#rows.get(key)?.element ?? this.#add(key);
      if (element === next) next = next.nextElementSibling;
      else this.#root.insertBefore(element, next);
    }
  }

  /** @param {string} key */
  #add(key) {
    const element = stamp('node');
    element.dataset.key = key;
    element.setAttribute('aria-selected', String(key === this.#chosen));
    this.#rows.set(key, {element, drawn: '', points: -1});
    return element;
  }

  /** @param {import('./topics.js').Node} node @param {number} now */
  #drawRow({key, label, level, topic, below, open}, now) {
    const row = this.#rows.get(key);
    if (!row) return;
    const value = topic ? topic.text : `${below} ${below === 1 ? 'topic' : 'topics'}`;
    const rate = topic ? rateText(this.#topics.rate(topic, now)) : '';
    const since = topic ? age(now - topic.time) : '';
    const drawn = JSON.stringify([value, rate, since, open]);
    if (row.points !== (topic?.count ?? 0)) {
      row.points = topic?.count ?? 0;
      drawCurve(row.element, topic?.numbers ?? []);
    }
    if (drawn === row.drawn) return;
    row.drawn = drawn;
    const {element} = row;
    element.setAttribute('aria-level', String(level));
    if (open === null) element.removeAttribute('aria-expanded');
    else element.setAttribute('aria-expanded', String(open));
    element.toggleAttribute('data-branch', topic === null);
    for (const [part, text] of [['label', label], ['value', value], ['rate', rate], ['age', since]]) fill(element, String(part), String(text)).hidden = false;
  }

  /** @param {Event} event */
  #clicked({target}) {
    const element = target instanceof Element ? target.closest('[data-key]') : null;
    const node = this.#nodes.find(({key}) => element instanceof HTMLElement && key === element.dataset.key);
    if (!node) return;
    this.#focus(node.key);
    if (node.topic) this.#choose(node.key);
    else this.#toggle(node.key);
  }

  /** The keys are those of the ARIA Authoring Practices for a tree. @param {KeyboardEvent} event */
  #pressed(event) {
    const index = this.#nodes.findIndex(({key}) => key === this.#current);
    const node = this.#nodes[index];
    if (!node || event.altKey || event.ctrlKey || event.metaKey) return;
    /** @type {Record<string, () => void>} */
    const actions = {
      ArrowDown: () => this.#focus(this.#nodes[index + 1]?.key),
      ArrowUp: () => this.#focus(this.#nodes[index - 1]?.key),
      Home: () => this.#focus(this.#nodes[0]?.key),
      End: () => this.#focus(this.#nodes.at(-1)?.key),
      ArrowRight: () => (node.open === false ? this.#toggle(node.key) : node.open && this.#focus(this.#nodes[index + 1]?.key)),
      ArrowLeft: () => (node.open ? this.#toggle(node.key) : this.#focus(parentOf(node.key))),
      Enter: () => (node.topic ? this.#choose(node.key) : this.#toggle(node.key)),
      ' ': () => (node.topic ? this.#choose(node.key) : this.#toggle(node.key)),
    };
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }

  /** @param {string} key */
  #toggle(key) {
    this.#topics.toggle(key);
    this.draw(this.#filter);
  }

  /** @param {string} key */
  #choose(key) {
    this.#rows.get(this.#chosen)?.element.setAttribute('aria-selected', 'false');
    this.#rows.get(key)?.element.setAttribute('aria-selected', 'true');
    this.#chosen = key;
    this.#onChoose(key);
  }

  /** @param {string | undefined} key nothing happens if there is no such row */
  #focus(key) {
    if (!key || !this.#rows.has(key)) return;
    this.#focusable(key);
    this.#rows.get(key)?.element.focus();
  }

  /** @param {string} key */
  #focusable(key) {
    const before = this.#rows.get(this.#current)?.element;
    if (before) before.tabIndex = -1;
    const element = this.#rows.get(key)?.element;
    if (element) element.tabIndex = 0;
    this.#current = key;
  }
}

/** @param {Element} element @param {number[]} numbers */
function drawCurve(element, numbers) {
  const line = find(element, 'polyline', SVGPolylineElement);
  const points = curve(numbers, WIDTH - 2 * MARGIN, HEIGHT - 2 * MARGIN);
  line.setAttribute('points', points);
  line.setAttribute('transform', `translate(${MARGIN} ${MARGIN})`);
}

/** @param {number} perSecond */
function rateText(perSecond) {
  if (perSecond < 0.05) return '';
  return `${perSecond < 10 ? perSecond.toFixed(1) : Math.round(perSecond)}/s`;
}

/** @param {string} key */
const parentOf = (key) => key.slice(0, Math.max(0, key.lastIndexOf('.')));
