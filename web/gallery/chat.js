import {Chat} from '../chat.js';
import {helloLine} from '../curl.js';
import {control, copies, fill, find, findElement, messageOf, onSubmit, stamp, tell} from '../dom.js';
import {Page} from '../page.js';
import {Typing} from './typing.js';

const LOBBY = 'lobby';
const MOST_ROOMS = 5; // remembered

const page = new Page('chat.>');
const {hub} = page;
const stage = findElement(document, '#chat');
const form = find(stage, 'form[name=chat]', HTMLFormElement);
const roomForm = find(stage, 'form[name=room]', HTMLFormElement);
/** The rooms that one was in, the latest first. */
const rooms = new Set([LOBBY]);

const chat = new Chat(hub, page.identity, (name) => {
  page.rename(name);
  chat.introduce(page.identity);
  typing?.introduce(page.identity);
});
/** @type {Typing | undefined} */
let typing;

hub.on('state', ({state}) => state === 'connected' && chat.welcome(hub.token !== ''));
form.addEventListener('input', () => typing?.typed(control(form, 'message').value));
form.addEventListener('submit', () => typing?.typed(''));
onSubmit(roomForm, () => {
  const input = control(roomForm, 'room');
  const room = roomNamed(input.value);
  input.value = '';
  location.hash = encodeURIComponent(room);
  return '';
});
copies(findElement(document, '[data-part=copy]'), findElement(document, '[data-part=curl]'));
addEventListener('hashchange', enter);
enter();
page.connect();

/** Enters the room that the address names. */
function enter() {
  let room = LOBBY;
  try {
    room = roomNamed(decodeURIComponent(location.hash.slice(1)) || LOBBY);
    tell(roomForm, 'status', '');
  } catch (error) {
    tell(roomForm, 'alert', error instanceof URIError ? 'The address names no room.' : messageOf(error));
  }
  chat.enter(`chat.${room}`);
  typing?.leave();
  typing = new Typing(hub, room, page.identity, (text) => (findElement(stage, '[data-part=typing]').textContent = text));
  show(room);
}

/**
 * The name of a room as a part of its channel's: in lower case, with - for what is between words.
 * @param {string} text
 */
function roomNamed(text) {
  const name = text.trim().toLowerCase().replaceAll(/\s+/g, '-');
  if (!/^[\p{L}\p{M}\p{N}_-]+$/u.test(name)) throw new Error('A room’s name is of letters, digits, - and _.');
  return name;
}

/** @param {string} room */
function show(room) {
  rooms.delete(room);
  const others = [...rooms].slice(0, MOST_ROOMS - 1);
  rooms.clear();
  for (const name of [room, ...others]) rooms.add(name);
  const list = findElement(stage, '[data-part=rooms]');
  list.hidden = rooms.size === 1;
  list.replaceChildren(...[...rooms].sort().map((name) => chip(name, name === room)));
  fill(stage, 'room', room);
  const again = find(document, '[data-part=again]', HTMLAnchorElement);
  again.href = `#${encodeURIComponent(room)}`;
  fill(document.body, 'curl', helloLine(page.base, `chat.${room}`, hub.token !== ''));
  document.title = `${room} · Chat · Fanfold`;
}

/** @param {string} name @param {boolean} current */
function chip(name, current) {
  const item = stamp('room');
  const link = /** @type {HTMLAnchorElement} */ (fill(item, 'name', name));
  link.href = `#${encodeURIComponent(name)}`;
  if (current) link.setAttribute('aria-current', 'true');
  return item;
}
