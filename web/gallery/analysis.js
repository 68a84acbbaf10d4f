import {control, find, findElement, messageOf, onSubmit, showTime, stamp, tell} from '../dom.js';
import {NO_CONNECTION} from '../fanfold.js';
import {Page, reasonOf} from '../page.js';
import {FanfoldError} from '../subscription.js';
import {Assembly, cut, isEntry, isFinal, titleOf} from './assembly.js';
import {Result} from './result.js';

/** @typedef {import('./assembly.js').Job & {state: import('./assembly.js').State}} Entry */

const MAX_TEXT = 2 * 1024 * 1024; // bytes, as in the hub
const HISTORY = 500; // messages at a time

const page = new Page('gallery.analysis.>');
const hub = page.hub;
const root = findElement(document, '#analysis');

// Starting: the call answers with an id, and the rest comes as messages.
const percolation = find(root, '[name=percolation]', HTMLFormElement);
onSubmit(percolation, async () => {
  const number = (/** @type {string} */ name) => Number(control(percolation, name).value);
  const {id} = await call('start', {kind: 'percolation', size: number('size'), runs: number('runs'), seed: number('seed')});
  location.hash = id;
  return 'Started; it is shown below.';
});

const words = find(root, '[name=words]', HTMLFormElement);
onSubmit(words, async () => {
  const [file] = control(words, 'file').files ?? [];
  if (!file) throw new Error('Choose a text file first.');
  if (file.size > MAX_TEXT) throw new Error(`The file has ${file.size} bytes: at most ${MAX_TEXT} are read.`);
  const text = await file.text();
  const {id, key} = await call('start', {kind: 'words', name: file.name, bytes: new TextEncoder().encode(text).length});
  location.hash = id;
  tell(words, 'status', 'The text is on its way.');
  await send({id, key}, text);
  return 'The hub has the whole text.';
});

/** @param {string} method @param {object} data @returns {Promise<any>} */
async function call(method, data) {
  try {
    return await hub.rpc(`gallery.analysis.${method}`, data);
  } catch (error) {
    const lost = error instanceof FanfoldError && error.code === NO_CONNECTION;
    throw lost ? error : new Error(reasonOf(error));
  }
}

// A piece is sent when the hub has taken the one before. If the connection is lost it goes on with
// the piece that the hub wants next: one that came twice counts once.
async function send(/** @type {{id: string, key: string}} */ job, /** @type {string} */ text) {
  const pieces = [...cut(text)];
  for (let piece = 0; piece < pieces.length; ) {
    try {
      const last = piece === pieces.length - 1;
      piece = (await call('text', {...job, piece, text: pieces[piece], last})).next;
    } catch (error) {
      if (!(error instanceof FanfoldError)) throw error;
      await connected();
    }
  }
}

function connected() {
  return new Promise((resolve) => {
    const listening = new AbortController();
    hub.on('state', ({state}) => {
      if (state !== 'connected') return;
      listening.abort();
      resolve(null);
    }, listening.signal);
  });
}

// The list: the newest state of each analysis.
const list = findElement(root, '[data-part=jobs]');
/** @type {Map<string, Entry>} */
const entries = new Map();
hub.subscribe('gallery.analysis')
  .on('message', ({data}) => enter(data))
  .on('subscribed', (recovered) => {
    lookForTheHub();
    if (!recovered) fetchList();
  })
  .on('ended', (error) => say(`Not subscribed: ${messageOf(error)}`));

/** Says so at once if there is nobody to start an analysis. */
async function lookForTheHub() {
  try {
    await hub.rpc('gallery.present', {});
  } catch (error) {
    if (hub.state === 'connected') say(`${reasonOf(error)}.`);
  }
}

async function fetchList() {
  try {
    const kept = await hub.history('gallery.analysis', {limit: HISTORY});
    entries.clear();
    for (const {data} of kept) enter(data);
    showList();
  } catch (error) {
    if (hub.state === 'connected') say(`The list can’t be read: ${messageOf(error)}`);
  }
}

/** @param {unknown} entry, unless it is none: on an open hub anybody may publish */
function enter(entry) {
  if (!isEntry(entry)) return;
  entries.set(entry.id, entry);
  changed();
}

function showList() {
  const newest = [...entries.values()].sort((a, b) => b.started - a.started);
  while (list.children.length > newest.length) list.lastElementChild?.remove();
  newest.forEach((entry, i) => {
    const item = list.children[i] ?? list.appendChild(stamp('job'));
    const link = find(item, 'a', HTMLAnchorElement);
    link.href = `#${entry.id}`;
    link.textContent = titleOf(entry);
    link.ariaCurrent = entry.id === chosen ? 'true' : null;
    item.setAttribute('data-state', entry.state);
    findElement(item, '[data-part=state]').textContent = entry.state;
    showTime(item, entry.started);
  });
}

// The one that is shown: its parts that were kept, and those that come.
const result = new Result(findElement(root, '#result'));
let chosen = '';
let assembly = new Assembly();
let gone = false; // the hub does not know it
/** @type {import('../subscription.js').Subscription | null} */
let following = null;
let leave = new AbortController();

function choose() {
  const id = location.hash.slice(1);
  if (id === chosen || !/^[a-z0-9]*$/.test(id)) return;
  if (following) hub.unsubscribe(following);
  leave.abort();
  leave = new AbortController();
  chosen = id;
  assembly = new Assembly();
  gone = false;
  say('');
  following = id === '' ? null : follow(id, assembly);
  changed();
}

/** @param {string} id @param {Assembly} into */
function follow(id, into) {
  const sub = hub.subscribe(`gallery.analysis.${id}`);
  return sub
    .on('message', ({data}) => {
      into.add(data);
      gone = false;
      changed();
    }, leave.signal)
    .on('subscribed', (recovered) => recovered || fetchParts(sub, into), leave.signal)
    .on('ended', (error) => say(`Not subscribed: ${messageOf(error)}`), leave.signal);
}

// Live messages flow already, so that between those that were kept and them there is no hole.
async function fetchParts(/** @type {import('../subscription.js').Subscription} */ sub, /** @type {Assembly} */ into) {
  try {
    let found = 0;
    for (let since = null; ; ) {
      const kept = await hub.history(sub.channel, {limit: HISTORY, since});
      for (const {data} of kept) into.add(data);
      const last = kept.at(-1)?.offset;
      if (last === undefined) break;
      since = {offset: last, epoch: sub.position?.epoch ?? ''};
      found += kept.length;
    }
    into.settle();
    if (into === assembly) gone = found === 0;
  } catch (error) {
    if (hub.state === 'connected' && into === assembly) say(`What was kept can’t be read: ${messageOf(error)}`);
  }
  changed();
}

const cancel = find(root, '[data-part=cancel]', HTMLButtonElement);
cancel.addEventListener('click', async () => {
  try {
    await call('cancel', {id: chosen});
    say('');
    findElement(root, '#result').focus(); // the button can't have the focus any more
  } catch (error) {
    say(`Not cancelled: ${messageOf(error)}`);
  }
});

/** @param {string} text */
function say(text) {
  findElement(root, '#result [data-part=alert]').textContent = text;
}

let frame = 0;

/** Shows what has changed, once a frame. */
function changed() {
  frame ||= requestAnimationFrame(() => {
    frame = 0;
    showList();
    result.show(assembly, {chosen: chosen !== '', gone, connected: hub.state === 'connected'});
    cancel.disabled = assembly.parts === 0 || isFinal(assembly.state) || gone || hub.state !== 'connected';
  });
}

addEventListener('hashchange', choose);
hub.on('state', changed);
choose();
page.connect();
