import {control, fill, find, findElement, messageOf, stamp} from '../dom.js';
import {between, isKey} from './order.js';

/**
 * Task is an object of the document, as far as its fields have the right types.
 * @typedef {{id: string, text: string, done: boolean, order: string}} Task
 *
 * @typedef {import('./replica.js').Replica} Replica
 */

const SLOW = 600; // ms after which saving is said

/** Tasks shows a shared list and lets the reader change it. */
export class Tasks {
  #list;
  #root;
  #form;
  /** @type {Replica | null} */
  #replica = null;
  #left = new AbortController(); // of the list that is shown
  /** @type {Map<string, HTMLElement>} */
  #rows = new Map();
  #filter = 'all';
  #due = false; // whether to render is
  #slow = 0;
  /** @type {HTMLElement | null} the row that is being dragged */
  #dragged = null;

  /** @param {HTMLElement} root */
  constructor(root) {
    this.#root = root;
    this.#list = findElement(root, '[data-part=list]');
    this.#form = find(root, 'form[name=add]', HTMLFormElement);
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#add();
    });
    root.addEventListener('change', (event) => this.#changed(/** @type {HTMLElement} */ (event.target)));
    root.addEventListener('click', (event) => this.#clicked(/** @type {Element} */ (event.target)));
    root.addEventListener('keydown', (event) => this.#pressed(event));
    this.#list.addEventListener('pointerdown', (event) => this.#grab(event));
  }

  /** Shows another list. @param {Replica} replica */
  show(replica) {
    this.#left.abort();
    this.#left = new AbortController();
    this.#replica = replica;
    this.#rows.clear();
    this.#list.replaceChildren();
    this.#tell('');
    const {signal} = this.#left;
    replica.on('change', () => this.#soon(), signal);
    replica.on('state', () => this.#showState(), signal);
    replica.on('error', (error) => this.#tell(messageOf(error)), signal);
    this.#showState();
    this.#soon();
  }

  /** All tasks, in their order. @returns {Task[]} */
  get #tasks() {
    const tasks = [...this.#replica?.objects ?? []].map(([id, {text, done, order}]) => ({
      id, text: typeof text === 'string' ? text : '', done: done === true, order: isKey(order) ? order : '',
    }));
    return tasks.sort((a, b) => compare(a.order, b.order) || compare(a.id, b.id));
  }

  get #shown() {
    return this.#tasks.filter(({done}) => this.#filter === 'all' || done === (this.#filter === 'done'));
  }

  #add() {
    const input = control(this.#form, 'text');
    const text = input.value.trim();
    if (text === '') return;
    const last = this.#tasks.at(-1);
    this.#do(`Added: ${text}`, (list) => {
      list.make({text, order: between(last?.order ?? '', '')});
      input.value = '';
    });
  }

  /** @param {HTMLElement} target */
  #changed(target) {
    const id = target.closest('li')?.dataset.id;
    const task = this.#tasks.find((one) => one.id === id);
    if (target instanceof HTMLTextAreaElement && task) this.#rewrite(task, target);
    else if (target instanceof HTMLInputElement && target.type === 'checkbox' && task) {
      this.#do(`${target.checked ? 'Done' : 'To do again'}: ${task.text}`, (list) => list.set(task.id, {done: target.checked || null}));
    } else if (target instanceof HTMLInputElement && target.type === 'radio') {
      this.#filter = target.value;
      this.#soon();
    }
  }

  /** @param {Task} task @param {HTMLTextAreaElement} field */
  #rewrite(task, field) {
    const text = field.value.replaceAll(/\s+/g, ' ').trim();
    if (text !== '' && text !== task.text) this.#do(`Changed: ${text}`, (list) => list.set(task.id, {text}));
    this.#soon();
  }

  /** @param {Element} target */
  #clicked(target) {
    const button = target.closest('button');
    const act = button?.dataset.act;
    if (!act || button.ariaDisabled === 'true') return;
    const id = button.closest('li')?.dataset.id;
    if (act === 'undo') this.#do('Undone', (list) => list.undo());
    if (act === 'redo') this.#do('Redone', (list) => list.redo());
    if (act === 'clear') this.#clear();
    if (act === 'drop' && id) this.#drop(id);
    if ((act === 'up' || act === 'down') && id) this.#step(id, act === 'up' ? -1 : 1);
  }

  #clear() {
    const done = this.#tasks.filter((task) => task.done).map(({id}) => id);
    this.#do(`Cleared: ${tasksOf(done.length)}`, (list) => list.change({drop: done}));
    control(this.#form, 'text').focus();
  }

  /** @param {string} id */
  #drop(id) {
    const shown = this.#shown;
    const at = shown.findIndex((task) => task.id === id);
    this.#do(`Deleted: ${shown[at]?.text}`, (list) => list.drop(id));
    const next = this.#rows.get((shown[at + 1] ?? shown[at - 1])?.id ?? '');
    if (next) findElement(next, '[data-act=drop]').focus();
    else control(this.#form, 'text').focus();
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    const {key, target, ctrlKey, metaKey, shiftKey, altKey} = event;
    const field = target instanceof HTMLTextAreaElement ? target : null;
    const id = target instanceof Element ? target.closest('li')?.dataset.id : undefined;
    const typing = field || target instanceof HTMLInputElement && target.name === 'text';
    if (field && key === 'Enter') field.blur();
    else if (field && key === 'Escape') this.#revert(field);
    else if (id && altKey && (key === 'ArrowUp' || key === 'ArrowDown')) this.#step(id, key === 'ArrowUp' ? -1 : 1);
    else if (!typing && (ctrlKey || metaKey) && key.toLowerCase() === 'z') {
      this.#do(shiftKey ? 'Redone' : 'Undone', (list) => shiftKey ? list.redo() : list.undo());
    } else return;
    event.preventDefault();
  }

  /** @param {HTMLTextAreaElement} field */
  #revert(field) {
    field.value = field.defaultValue;
    field.select();
  }

  /** Moves a task one place among those that are shown. @param {string} id @param {number} by */
  #step(id, by) {
    const [shown, all] = [this.#shown, this.#tasks];
    const other = shown[shown.findIndex((task) => task.id === id) + by];
    if (!other) return;
    const at = all.findIndex((task) => task.id === other.id);
    this.#place(id, by < 0 ? other.id : all[at + 1]?.id);
  }

  /** @param {string} id @param {string | undefined} before the task in front of which it is to be; undefined: at the end */
  #place(id, before) {
    const others = this.#tasks.filter((task) => task.id !== id);
    const at = before === undefined ? others.length : others.findIndex((task) => task.id === before);
    const task = this.#tasks.find((one) => one.id === id);
    if (at < 0 || !task) return this.#soon(); // somebody has deleted one of them
    const order = between(others[at - 1]?.order ?? '', others[at]?.order ?? '');
    this.#do(`${task.text} is number ${at + 1} of ${others.length + 1}`, (list) => list.set(id, {order}));
  }

  /** Drags a row by its grip. @param {PointerEvent} down */
  #grab(down) {
    const grip = /** @type {Element} */ (down.target).closest('.grip');
    const row = grip?.closest('li');
    if (!grip || !row || down.button !== 0) return;
    down.preventDefault();
    this.#dragged = row;
    row.dataset.dragged = '';
    const {nextElementSibling: was} = row;
    const ended = new AbortController();
    const {signal} = ended;
    /** @param {boolean} kept */
    const drop = (kept) => {
      ended.abort();
      this.#dragged = null;
      delete row.dataset.dragged;
      const next = row.nextElementSibling;
      if (kept && next !== was) this.#place(row.dataset.id ?? '', next instanceof HTMLElement ? next.dataset.id : undefined);
      this.#soon();
    };
    document.addEventListener('pointermove', ({clientY}) => this.#drag(row, clientY), {signal});
    document.addEventListener('pointerup', () => drop(true), {signal});
    document.addEventListener('pointercancel', () => drop(false), {signal});
    document.addEventListener('keydown', ({key}) => key === 'Escape' && drop(false), {signal});
  }

  /** @param {HTMLElement} row @param {number} y */
  #drag(row, y) {
    const below = [...this.#list.children].find((other) => other !== row && y < middleOf(other));
    if (below !== row.nextElementSibling) this.#list.insertBefore(row, below ?? null);
  }

  /** Changes the list, and says what was done or why not. @param {string} done @param {(list: Replica) => void} change */
  #do(done, change) {
    if (!this.#replica) return;
    try {
      change(this.#replica);
      this.#tell('');
      fill(this.#root, 'said', done);
    } catch (error) {
      this.#tell(`Not done: ${messageOf(error)}.`);
    }
    this.#soon();
  }

  /** @param {string} trouble */
  #tell(trouble) {
    fill(this.#root, 'trouble', trouble);
  }

  #showState() {
    const {state = 'loading', pending = 0} = this.#replica ?? {};
    const line = findElement(this.#root, '[data-part=state]');
    clearTimeout(this.#slow);
    this.#slow = 0;
    const show = () => {
      line.dataset.state = state;
      line.textContent = wordsOf(state, pending);
    };
    if (state === 'live' && pending > 0 && line.dataset.state === 'live') this.#slow = window.setTimeout(show, SLOW);
    else show();
    findElement(this.#root, '.tasks').dataset.state = state;
    this.#soon();
  }

  #soon() {
    if (this.#due) return;
    this.#due = true;
    requestAnimationFrame(() => {
      this.#due = false;
      if (!this.#dragged) this.#render(); // else once it is dropped
    });
  }

  #render() {
    const [all, shown] = [this.#tasks, this.#shown];
    const {activeElement} = document;
    const ids = new Set(shown.map(({id}) => id));
    for (const [id, row] of this.#rows) if (!ids.has(id)) this.#remove(id, row);
    for (const [i, task] of shown.entries()) {
      const row = this.#rows.get(task.id) ?? this.#newRow(task.id);
      fillRow(row, task, i > 0, i < shown.length - 1);
      if (this.#list.children[i] !== row) this.#list.insertBefore(row, this.#list.children[i] ?? null);
    }
    if (activeElement instanceof HTMLElement && activeElement !== document.activeElement && activeElement.isConnected) activeElement.focus();
    const left = all.filter(({done}) => !done).length;
    fill(this.#root, 'left', `${left} left`);
    this.#enable('undo', this.#replica?.canUndo === true);
    this.#enable('redo', this.#replica?.canRedo === true);
    this.#enable('clear', left < all.length);
    fill(this.#root, 'none', shown.length > 0 ? '' : this.#emptyWords(all.length));
  }

  /** @param {string} id */
  #newRow(id) {
    const row = stamp('task');
    row.dataset.id = id;
    this.#rows.set(id, row);
    return row;
  }

  /** @param {string} id @param {HTMLElement} row */
  #remove(id, row) {
    const next = row.contains(document.activeElement) ? row.nextElementSibling ?? row.previousElementSibling : null;
    const focused = row.contains(document.activeElement);
    this.#rows.delete(id);
    row.remove();
    if (!focused) return;
    const same = next?.querySelector('input');
    if (same instanceof HTMLElement) same.focus();
    else control(this.#form, 'text').focus();
  }

  /** @param {number} all how many tasks there are */
  #emptyWords(all) {
    const state = this.#replica?.state;
    if (all > 0) return this.#filter === 'done' ? 'Nothing is done yet.' : 'All done.';
    if (state === 'loading') return 'Loading the list…';
    return state === 'live' ? 'Nothing to do. Add the first task above.' : 'The list will be here once there is a connection.';
  }

  /** @param {string} act @param {boolean} enabled */
  #enable(act, enabled) {
    findElement(this.#root, `[data-act=${act}]`).ariaDisabled = String(!enabled);
  }
}

/** @param {HTMLElement} row @param {Task} task @param {boolean} up whether it can go up @param {boolean} down */
function fillRow(row, {text, done}, up, down) {
  const field = find(row, 'textarea', HTMLTextAreaElement);
  const box = find(row, 'input', HTMLInputElement);
  const typing = field === document.activeElement && field.value !== field.defaultValue;
  if (!typing && field.value !== text) field.value = text;
  if (field.defaultValue !== text) field.defaultValue = text;
  box.checked = done;
  row.toggleAttribute('data-done', done);
  label(box, `Done: ${text}`);
  label(field, `Task: ${text}`);
  for (const [act, words, enabled] of /** @type {[string, string, boolean][]} */ ([['up', 'Move up', up], ['down', 'Move down', down], ['drop', 'Delete', true]])) {
    const button = findElement(row, `[data-act=${act}]`);
    label(button, `${words}: ${text}`);
    button.ariaDisabled = enabled ? null : 'true';
  }
}

/** @param {Element} element @param {string} text */
function label(element, text) {
  if (element.ariaLabel !== text) element.ariaLabel = text;
}

/** @param {import('./replica.js').State} state @param {number} pending */
function wordsOf(state, pending) {
  const wait = `${pending} ${pending === 1 ? 'change waits' : 'changes wait'}`;
  switch (state) {
    case 'loading': return pending > 0 ? `Loading the list… ${wait}.` : 'Loading the list…';
    case 'live': return pending > 0 ? `Saving: ${wait} for the hub.` : 'All changes are saved.';
    case 'offline': return pending > 0 ? `Offline. ${wait} for the hub.` : 'Offline. Go on: changes wait here until the hub is back.';
    case 'refused': return 'This list can’t be read.';
  }
}

/** @param {Element} element */
function middleOf(element) {
  const {top, height} = element.getBoundingClientRect();
  return top + height / 2;
}

/** @param {number} n */
const tasksOf = (n) => n === 1 ? '1 task' : `${n} tasks`;

/** @param {string} a @param {string} b */
const compare = (a, b) => (a < b ? -1 : Number(a > b));
