import {subjectOf} from '../credential.js';
import {copies, fill, findElement} from '../dom.js';
import {Page} from '../page.js';
import {newId} from './queue.js';
import {Replica} from './replica.js';
import {Tasks} from './todo-list.js';

const REMEMBERED = 'todo.list'; // in localStorage: the list that this browser showed last
const TOKEN = /^[\w:#$@=,;-]{1,100}$/; // of a channel's name

const page = new Page('gallery.document.todo.>');
const root = findElement(document, '#todo');
const tasks = new Tasks(root);
let open = {name: '', replica: /** @type {Replica | null} */ (null)};

/** The list that the address names. */
function named() {
  const name = new URLSearchParams(location.hash.slice(1)).get('list') ?? '';
  return TOKEN.test(name) ? name : '';
}

/** The list of whoever is signed in, or that this browser showed last, or a new one. */
function own() {
  const user = subjectOf(page.hub.token);
  if (TOKEN.test(user)) return user;
  return remembered() ?? newId();
}

/** Shows the list of the address, or else one's own. */
function show() {
  const name = named() || own();
  if (name === open.name) return;
  open.replica?.close();
  const channel = `gallery.document.todo.${name}`;
  const replica = new Replica(page.hub, channel);
  open = {name, replica};
  tasks.show(replica);
  remember(name);
  history.replaceState(null, '', `#${new URLSearchParams({list: name})}`);
  fill(root, 'address', location.href);
  fill(root, 'curl', curlLine(channel));
}

/** A program counts its changes as every tab does; the seconds since 1970 are a count too. @param {string} channel */
function curlLine(channel) {
  const now = `'$(date +%s)'`;
  const change = `{"by": "shell", "n": ${now}, "make": {"shell${now}": {"text": "Buy milk"}}}`;
  const bearer = page.hub.token ? '-H "Authorization: Bearer $TOKEN" ' : '';
  return `curl ${bearer}-d '{"channel": "${channel}", "data": ${change}}' ${page.base}api/publish`;
}

/** A name that nobody can guess is what keeps a list private. */
function start() {
  location.hash = `list=${newId()}`;
}

function remembered() {
  try {
    const name = localStorage.getItem(REMEMBERED);
    return name && TOKEN.test(name) ? name : null;
  } catch {
    return null; // the browser forbids it
  }
}

/** @param {string} name */
function remember(name) {
  try {
    localStorage.setItem(REMEMBERED, name);
  } catch { // then the address alone knows it
  }
}

/** Who has signed in gets their own list in place of this browser's. */
function welcome() {
  const user = subjectOf(page.hub.token);
  if (!arrivedByLink && TOKEN.test(user) && open.name !== user) location.hash = `list=${encodeURIComponent(user)}`;
}

const arrivedByLink = named() !== '' && named() !== remembered();
show();
addEventListener('hashchange', show);
page.hub.on('state', ({state}) => state === 'connected' && welcome());
findElement(root, '[data-act=new]').addEventListener('click', start);
copies(findElement(root, '[data-part=copy]'), findElement(root, '[data-part=address]'));
copies(findElement(root, '[data-part=copy-curl]'), findElement(root, '[data-part=curl]'));
findElement(root, '[data-part=local]').hidden = !/^(localhost|127\.|\[::1\])/.test(location.hostname);
page.connect();
