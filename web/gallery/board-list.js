/**
 * ObjectList says in words what is on the board, for whoever does not see it or has no pointer. To
 * pick from it selects on the board. It costs nothing while it is closed.
 */
import {fill, findElement} from '../dom.js';
import {describe} from './board-shapes.js';

export class ObjectList {
  #details;
  #list;
  #board;
  #frame = 0;
  /** @type {Map<string, HTMLElement>} by object id */
  #options = new Map();
  /** @type {Set<string>} ids whose option may be out of date */
  #dirty = new Set();

  /**
   * @param {HTMLDetailsElement} details with a listbox
   * @param {import('./board-model.js').Board} board
   * @param {() => void} onEnter goes to the board, with what is picked
   */
  constructor(details, board, onEnter) {
    this.#details = details;
    this.#list = findElement(details, '[role=listbox]');
    this.#board = board;
    details.addEventListener('toggle', () => this.#soon());
    board.on('shapes', ({ids}) => {
      for (const id of ids) this.#dirty.add(id);
      this.#soon();
    });
    board.on('selected', () => this.#soon());
    this.#list.addEventListener('keydown', (event) => this.#press(event, onEnter));
    this.#list.addEventListener('focus', () => this.#board.selection.size || this.#pick(0));
    this.#list.addEventListener('click', ({target}) => {
      const option = target instanceof HTMLElement && target.closest('[role=option]');
      if (option instanceof HTMLElement) board.select([option.dataset.of ?? '']);
    });
  }

  #soon() {
    this.#frame ||= requestAnimationFrame(() => this.#show());
  }

  #show() {
    this.#frame = 0;
    fill(this.#details, 'count', String(this.#board.shapes.size));
    if (!this.#details.open) return;
    for (const id of this.#dirty) this.#update(id);
    this.#dirty.clear();
    for (const [id, option] of this.#options) option.setAttribute('aria-selected', String(this.#board.selection.has(id)));
    const active = this.#options.get([...this.#board.selection].at(-1) ?? '');
    if (active) this.#list.setAttribute('aria-activedescendant', active.id);
    else this.#list.removeAttribute('aria-activedescendant');
    if (active && this.#list.matches(':focus')) active.scrollIntoView({block: 'nearest'});
  }

  /** @param {string} id */
  #update(id) {
    const shape = this.#board.shapes.get(id);
    const option = this.#options.get(id) ?? document.createElement('li');
    if (!shape) {
      option.remove();
      this.#options.delete(id);
      return;
    }
    option.textContent = describe(shape);
    if (this.#options.has(id)) return;
    option.role = 'option';
    option.id = `object-${id}`;
    option.dataset.of = id;
    this.#options.set(id, option);
    this.#list.append(option);
  }

  /** @param {KeyboardEvent} event @param {() => void} onEnter */
  #press(event, onEnter) {
    const ids = [...this.#options.keys()];
    const now = ids.indexOf([...this.#board.selection].at(-1) ?? '');
    /** @type {Record<string, () => void>} */
    const actions = {
      ArrowDown: () => this.#pick(now + 1),
      ArrowUp: () => this.#pick(Math.max(0, now - 1)),
      Home: () => this.#pick(0),
      End: () => this.#pick(ids.length - 1),
      Enter: onEnter,
    };
    const action = actions[event.key];
    if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    action();
  }

  /** @param {number} index */
  #pick(index) {
    const id = [...this.#options.keys()][Math.min(index, this.#options.size - 1)];
    if (id) this.#board.select([id]);
  }
}
