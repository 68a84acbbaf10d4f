import {control, copies, fill, find, findElement, messageOf, stamp, tell} from '../dom.js';
import {senderOf} from '../message.js';
import {Page, reasonOf} from '../page.js';
import {characterIn, codeOf, glyphOf, partsOf, waysToWrite} from './glyph.js';
import {Latest} from './latest.js';

/**
 * What the hub answers: results, or how much of its index is made.
 * @typedef {{char: string, code: string, name: string, hits: [number, number][]}} Result
 * @typedef {{building?: number, results?: Result[], total: number, microseconds: number}} Answer
 */

const SEARCH = 'gallery.completion.search';
const COPIED = 'gallery.completion.copied';
const MOST_RESULTS = 50;
const MOST_COPIED = 24;
const AGAIN = 100; // ms after which an index that is being made is asked again
const FAR = 8; // options that PageDown goes

const page = new Page('gallery.completion');
const stage = findElement(document, '#completion');
const form = find(stage, 'form[name=search]', HTMLFormElement);
const field = control(form, 'text');
const list = findElement(stage, '[role=listbox]');
const preview = findElement(stage, '[data-part=preview]');
const copyButton = find(preview, '[data-part=copy]', HTMLButtonElement);
const shelf = findElement(stage, '[data-part=shelf]');

/** @type {Result[]} as shown */
let results = [];
let active = -1; // the option that Enter copies
let asked = 0; // when, in ms of performance.now()

// One call at a time, and never an older answer.
/** @type {Latest<Answer>} */
const latest = new Latest((text) => {
  asked = performance.now();
  return page.hub.rpc(SEARCH, {text, limit: MOST_RESULTS});
}, show);

field.addEventListener('input', ask);
form.addEventListener('reset', () => setTimeout(() => (ask(), field.focus())));
form.addEventListener('submit', (event) => (event.preventDefault(), choose(active)));
page.hub.on('state', ({state}) => {
  if (state === 'connected') ask();
  else if (field.value !== '') fill(form, 'timing', 'As it was. What you type is asked when the hub is back.');
});

/** Asks for what is typed. Nothing is a question too: the hub makes its index if it has none. */
function ask() {
  latest.want(field.value);
  if (field.value !== '') return;
  tell(form, 'status', '');
  clear('hints');
  fill(form, 'timing', '').hidden = false;
}

/** Shows the answer to what is still in the field. @param {string} text @param {Answer | null} answer @param {unknown} error */
function show(text, answer, error) {
  if (!answer) {
    if (page.hub.state === 'connected') tell(form, 'alert', `Nothing can be found: ${reasonOf(error)}.`);
    return; // without a connection the page says so, and asks again when there is one
  }
  if (text === '') return;
  if (answer.building !== undefined) return wait(text, answer.building);
  tell(form, 'status', '');
  const there = performance.now() - asked;
  results = answer.results ?? [];
  fill(form, 'timing', `${answer.total.toLocaleString()} found · hub ${milliseconds(answer.microseconds / 1000)}, in all ${milliseconds(there)}`);
  if (results.length === 0) return clear('none', `No character’s name has “${text}” in it.`);
  clear('results');
  list.replaceChildren(...results.map(option));
  field.setAttribute('aria-expanded', 'true');
  list.scrollTop = 0;
  activate(0);
}

/** The hub makes its index: shows how far it is, and asks again. @param {string} text @param {number} fraction */
function wait(text, fraction) {
  clear('making');
  find(stage, 'progress', HTMLProgressElement).value = fraction;
  setTimeout(() => field.value === text && latest.want(text), AGAIN);
}

/**
 * Empties the list and shows one thing in its place.
 * @param {'results' | 'hints' | 'none' | 'making'} shown
 * @param {string} [text]
 */
function clear(shown, text = '') {
  for (const part of ['hints', 'none', 'making']) findElement(stage, `[data-part=${part}]`).hidden = part !== shown;
  if (text) fill(stage, 'none', text);
  if (shown === 'results') return;
  results = [];
  list.replaceChildren();
  field.setAttribute('aria-expanded', 'false');
  activate(-1);
}

/** @param {Result} result @param {number} index */
function option({char, code, name, hits}, index) {
  const element = stamp('character');
  element.id = `character-${index}`;
  fillGlyph(element, char);
  fill(element, 'code', code);
  fill(element, 'name', name).replaceChildren(...partsOf(name, hits).map(({text, hit}) =>
    hit ? Object.assign(document.createElement('mark'), {textContent: text}) : text));
  element.addEventListener('pointerdown', (event) => event.preventDefault()); // the focus stays where one types
  element.addEventListener('click', () => choose(index));
  return element;
}

/** @param {Element} element @param {string} char */
function fillGlyph(element, char) {
  const {text, boxed} = glyphOf(char);
  fill(element, 'glyph', text).toggleAttribute('data-boxed', boxed);
}

// The list's keys are those of the ARIA Authoring Practices for a combobox.
field.addEventListener('keydown', (event) => {
  const steps = new Map([['ArrowDown', 1], ['ArrowUp', -1], ['PageDown', FAR], ['PageUp', -FAR]]);
  const step = steps.get(event.key);
  if (event.key === 'Escape') form.reset();
  if (!step || results.length === 0 || event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  const next = active + step;
  if (Math.abs(step) === 1) activate((next + results.length) % results.length);
  else activate(Math.min(Math.max(next, 0), results.length - 1));
});

/** Marks an option as the one that Enter copies. @param {number} index -1: none */
function activate(index) {
  list.querySelector('[aria-selected=true]')?.setAttribute('aria-selected', 'false');
  active = index;
  const element = list.children[index];
  element?.setAttribute('aria-selected', 'true');
  element?.scrollIntoView({block: 'nearest'});
  if (element) field.setAttribute('aria-activedescendant', element.id);
  else field.removeAttribute('aria-activedescendant');
  showPreview(results[index]);
}

/** @param {Result | undefined} result */
function showPreview(result) {
  const {char = '', code = '\u00a0', name = '\u00a0'} = result ?? {};
  if (char) fillGlyph(preview, char);
  else fill(preview, 'glyph', '').hidden = false;
  fill(preview, 'char', char);
  fill(preview, 'name', name);
  fill(preview, 'code', code);
  const ways = char ? waysToWrite(char) : [];
  findElement(preview, '[data-part=ways]').replaceChildren(...ways.map(({name, text}) => {
    const way = stamp('way');
    fill(way, 'name', name);
    fill(way, 'text', text);
    return way;
  }));
  copyButton.disabled = char === '';
}

/** Copies a result. @param {number} index */
function choose(index) {
  if (!results[index]) return;
  activate(index);
  copyButton.click();
}

copies(copyButton, findElement(preview, '[data-part=char]'));
copyButton.addEventListener('click', async () => {
  const {char, name} = /** @type {Result} */ (results[active]);
  try {
    await page.hub.publish(COPIED, {char});
    tell(form, 'status', `Copied ${name}.`);
  } catch (error) {
    tell(form, 'status', `Copied ${name}, but other tabs are not told: ${messageOf(error)}.`);
  }
});

for (const hint of stage.querySelectorAll('.hints button')) {
  hint.addEventListener('click', () => lookUp(hint.textContent ?? ''));
}

/** @param {string} text */
function lookUp(text) {
  field.value = text;
  field.focus();
  ask();
}

// What was copied in any tab: the last ones are in the channel's history.
const copied = page.hub.subscribe(COPIED, {data: page.identity});
copied.on('message', (publication) => {
  const char = put(publication);
  if (char && publication.info?.client !== page.hub.id) fill(stage, 'news', `${senderOf(publication.info)} copied ${glyphOf(char).text}`);
});
copied.on('subscribed', async (recovered) => {
  if (recovered || !copied.position) return; // what was missed comes as messages
  const {offset, epoch} = copied.position;
  try {
    const before = await page.hub.history(COPIED, {limit: MOST_COPIED, reverse: true, since: {offset: offset + 1, epoch}});
    for (const publication of before.reverse()) put(publication);
  } catch (error) {
    if (page.hub.state === 'connected') fill(stage, 'news', `What was copied before can’t be shown: ${messageOf(error)}.`);
  }
});
copied.on('ended', (error) => fill(stage, 'news', `Tabs are not told of each other: ${error.message}.`));

/** Puts a character in front of the shelf. @param {import('../subscription.js').Publication} publication */
function put({data, info}) {
  const char = characterIn(data); // anybody may publish anything
  if (!char) return '';
  const code = codeOf(char);
  const item = stamp('copied');
  item.dataset.code = code;
  fillGlyph(item, char);
  fill(item, 'text', `${code}, copied by ${senderOf(info)}`);
  findElement(item, 'button').addEventListener('click', () => lookUp(code));
  shelf.querySelector(`[data-code="${code}"]`)?.remove();
  shelf.prepend(item);
  while (shelf.childElementCount > MOST_COPIED) shelf.lastElementChild?.remove();
  findElement(stage, '[data-part=shelf-empty]').hidden = true;
  return char;
}

/** @param {number} ms */
const milliseconds = (ms) => `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;

page.connect();
