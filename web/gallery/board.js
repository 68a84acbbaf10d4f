/**
 * The whiteboard. Its objects are those of a replica, which board-model.js makes shapes of; who else is
 * here and what they are at comes over a live channel, see board-people.js. This file brings
 * them and the page together.
 */
import {control, copies, fill, find, findElement, onSubmit} from '../dom.js';
import {Page} from '../page.js';
import {quoted, word} from '../shell.js';
import {Gestures, put} from './board-gestures.js';
import {chord, isText, roving, shortcuts} from './board-keys.js';
import {ObjectList} from './board-list.js';
import {Board} from './board-model.js';
import {NoteEditor} from './board-note.js';
import {Paper} from './board-paper.js';
import {People} from './board-people.js';
import {boundsOf, describe} from './board-shapes.js';
import {STEP, View} from './board-view.js';
import {newId} from './queue.js';
import {Replica} from './replica.js';

/** @typedef {import('./board-gestures.js').Tool} Tool */

const NUDGE = 20; // board units of an arrow key; with Shift 1
const TROUBLE_SHOWN = 20_000; // ms
const LIVE = 'Live: everybody sees what you draw.';
let troubled = 0;
let live = LIVE;

const root = findElement(document, '#board');
const sheet = findElement(root, '[data-part=sheet]');
const surface = findElement(root, '[data-part=surface]');
const svg = find(surface, 'svg', SVGSVGElement);
const dialog = find(root, 'dialog', HTMLDialogElement);

const page = new Page('gallery.>');
const replica = new Replica(page.hub, 'gallery.document.board');
const board = new Board(replica);
const paper = new Paper(svg);
const people = new People(page, paper, {
  root, cursors: find(svg, '[data-part=cursors]', SVGGElement), onTrouble: trouble,
  onPlain(reason) {
    live = reason === '' ? LIVE : `${reason}. Without it the board is shared, but no pointers are, and old changes are lost one day.`;
    showState(replica);
  },
});
const view = new View(svg, rescale);
const note = new NoteEditor(find(root, '[name=note]', HTMLFormElement), board, view, goTo);
new ObjectList(find(root, '[data-part=list]', HTMLDetailsElement), board, () => surface.focus());

/** What this tab's user is at, for themselves and the others. @type {import('./board-people.js').Doing} */
const doing = {at: null, draft: null, drag: null};

/** @type {import('./board-gestures.js').Desk} */
const desk = {
  board, view, tool: 'pen', pen: {color: 0, bold: false},
  show(now) {
    Object.assign(doing, now);
    if ('draft' in now) paper.sketch('', doing.draft?.shape ?? null);
    if ('drag' in now) paper.hold('', doing.drag);
    people.tell({...doing});
  },
  lasso: (corners) => paper.mark(board.selection, corners),
  done(id) {
    if (!id || desk.tool === 'pen') return;
    choose('select');
    board.select([id]);
    if (board.shapes.get(id)?.kind === 'note') note.open(id);
    else say('Added');
  },
  edit: (id) => note.open(id),
};
const gestures = new Gestures(surface, desk);

board.on('shapes', ({ids}) => {
  for (const id of ids) paper.set(id, board.shapes.get(id));
  showActions();
});
board.on('selected', () => {
  paper.mark(board.selection, null);
  showActions();
});
board.on('trouble', trouble);

/** What the buttons do, by their data-act. @type {Record<string, () => void>} */
const actions = {
  bold: () => restyle({bold: !desk.pen.bold}),
  undo: () => board.undo(),
  redo: () => board.redo(),
  drop: removeSelected,
  clear: askToClear,
  nearer: () => view.nearer(STEP),
  farther: () => view.nearer(1 / STEP),
  fit: () => view.fit(),
};
root.addEventListener('click', ({target}) => {
  const {act, tool, paint} = (target instanceof Element && target.closest('button')?.dataset) || {};
  if (tool) choose(/** @type {Tool} */ (tool));
  if (paint) restyle({color: Number(paint)});
  if (act) actions[act]?.();
});
roving(findElement(root, '[role=toolbar]'));
shortcuts(root);
surface.addEventListener('keydown', pressed);
surface.addEventListener('keyup', settle);
surface.addEventListener('blur', settle);
dialog.addEventListener('close', () => {
  if (dialog.returnValue !== 'clear') return;
  board.clear();
  say('The board is cleared');
});

replica.on('state', showState);
const names = find(root, '[name=name]', HTMLFormElement);
control(names, 'name').value = page.identity.name;
page.hub.on('state', ({state}) => state === 'connected' && (names.hidden = page.hub.token !== ''));
onSubmit(names, rename);
const about = findElement(document, '.about');
fill(about, 'line', commandLine());
copies(findElement(about, '[data-part=copy]'), findElement(about, '[data-part=line]'));
page.connect();

/** What puts up a note without this page. */
function commandLine() {
  const note = {kind: 'note', at: [1340, 780], color: 4, text: 'Hello from a shell'};
  const data = {by: newId(), n: 1, make: {[newId()]: note}};
  return `curl -d ${quoted(JSON.stringify({channel: 'gallery.document.board', data}))} ${word(`${page.base}api/publish`)}`;
}

/** @param {Tool} tool */
function choose(tool) {
  gestures.cancel();
  if (tool !== 'select' && tool !== 'hand') board.select([]); // what comes next is not for what was selected
  desk.tool = tool;
  sheet.dataset.tool = tool;
  press('tool', tool);
}

/** Of what is drawn from now on, and of what is selected. @param {{color?: number, bold?: boolean}} style */
function restyle(style) {
  Object.assign(desk.pen, style);
  board.restyle(style);
  press('paint', String(desk.pen.color));
  findElement(root, '[data-act=bold]').ariaPressed = String(desk.pen.bold);
}

/** Shows which of the buttons is pressed. @param {'tool' | 'paint'} of @param {string} value */
function press(of, value) {
  for (const button of root.querySelectorAll(`button[data-${of}]`)) {
    button.ariaPressed = String(button instanceof HTMLElement && button.dataset[of] === value);
  }
}

function showActions() {
  const possible = {undo: replica.canUndo, redo: replica.canRedo, drop: board.selection.size > 0, clear: board.shapes.size > 0};
  for (const [act, can] of Object.entries(possible)) findElement(root, `[data-act=${act}]`).ariaDisabled = String(!can);
  findElement(sheet, '[data-part=hint]').hidden = board.shapes.size > 0 || replica.state === 'loading';
}

/** @param {{state: import('./replica.js').State, pending: number}} now */
function showState({state, pending}) {
  const waits = pending === 1 ? '1 change waits' : `${pending} changes wait`;
  const words = {
    loading: 'Loading the board…',
    live,
    offline: pending ? `Offline: ${waits} for the hub.` : 'Offline: you can go on, what you draw will wait.',
    refused: 'The board can’t be read.',
  };
  const line = findElement(root, '[data-part=state]');
  if (line.textContent !== words[state]) line.textContent = words[state];
  sheet.dataset.state = state;
  showActions();
}

/** What can't be done without a pointer's place. @param {KeyboardEvent} event */
function pressed(event) {
  const key = chord(event);
  /** @type {Record<string, () => void>} */
  const keys = {
    'Enter': enter,
    'Escape': () => gestures.cancel() || board.select([]),
    'Control+A': () => board.select(board.shapes.keys()),
  };
  const step = event.shiftKey ? 1 : NUDGE;
  /** @type {Record<string, number[]>} */
  const ways = {ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step]};
  const [dx, dy] = ways[event.key] ?? [];
  if (isText(event.target) || !keys[key] && dx === undefined) return;
  event.preventDefault();
  keys[key]?.();
  if (dx !== undefined && dy !== undefined) nudge(dx, dy);
}

/** Edits the note that is selected, or puts in the middle what the tool makes. */
function enter() {
  const [id] = board.selection;
  const {tool} = desk;
  if (tool === 'select' || tool === 'hand' || tool === 'pen') {
    if (id && board.selected[0]?.kind === 'note') note.open(id);
    return;
  }
  const beside = 24 * (board.shapes.size % 8); // not on top of the one before
  put(desk, tool, {x: view.middle.x + beside, y: view.middle.y + beside});
}

/** Moves what is selected while an arrow key is held; settle makes it so. @param {number} dx @param {number} dy */
function nudge(dx, dy) {
  if (board.selection.size === 0) return view.pan(dx, dy);
  const {drag} = doing;
  desk.show({drag: {ids: new Set(board.selection), dx: (drag?.dx ?? 0) + dx, dy: (drag?.dy ?? 0) + dy}});
}

function settle() {
  const {drag} = doing;
  if (!drag || surface.matches(':active')) return; // the pointer's own
  desk.show({drag: null});
  board.move(drag.ids, drag.dx, drag.dy);
  const [shape] = board.selected;
  if (!shape) return;
  view.reveal(boundsOf(shape));
  say(board.selection.size > 1 ? `${board.selection.size} objects moved` : describe(shape));
}

function removeSelected() {
  const {size} = board.selection;
  if (size === 0) return;
  board.drop(board.selection);
  say(size === 1 ? 'Deleted' : `${size} objects deleted`);
}

function askToClear() {
  if (board.shapes.size === 0) return;
  fill(dialog, 'count', board.shapes.size === 1 ? 'of it, 1 object,' : `${board.shapes.size} objects`);
  dialog.returnValue = '';
  dialog.showModal();
}

/** @param {string} id of the note that was edited */
function goTo(id) {
  board.select([id]);
  surface.focus({preventScroll: true});
}

function rescale() {
  people.scale(view.unit);
  note.place();
  fill(root, 'zoom', `${Math.round(view.zoom * 100)} %`);
}

/** Tells who does not see it. @param {string} text */
function say(text) {
  findElement(root, '[data-part=said]').textContent = text;
}

/** Says for a while what went wrong. @param {string} text */
function trouble(text) {
  fill(root, 'trouble', text);
  clearTimeout(troubled);
  if (replica.state !== 'refused') troubled = window.setTimeout(() => fill(root, 'trouble', ''), TROUBLE_SHOWN);
}

function rename() {
  const name = control(names, 'name').value.trim();
  if (name === '') throw new Error('A name needs a letter or two.');
  page.rename(name);
  people.introduce(name);
  return '';
}
