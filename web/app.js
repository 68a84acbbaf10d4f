import {Account} from './account.js';
import {Chat} from './chat.js';
import {helloLine, word} from './curl.js';
import {copies, fill, findElement, tell} from './dom.js';
import {Echo} from './echo.js';
import {Fanfold, needsCredential} from './fanfold.js';
import {Feed, isPattern} from './feed.js';
import {Notifications} from './notifications.js';
import {Status} from './status.js';

const DEFAULT_CHANNEL = 'news';
const OFFLINE = 'Not connected: nothing can be sent now.';

const base = new URL('.', location.href).href;
const title = document.title;
let identity = {name: chosenName()};
let unread = 0;
let asksWho = false; // the hub takes no requests without a token or key

const hub = new Fanfold(socketURL('connection/websocket'), {data: identity});
const account = new Account(hub);
new Status(hub);
const echo = new Echo(socketURL(''), () => hub.token);
const notifications = new Notifications(base, () => hub.token);
const chat = new Chat(hub, identity, rename);
const feed = new Feed(hub, {
  identity: () => identity,
  onChannels: showChannels,
  onMessage: (channel, content) => {
    if (content.kind === 'notification') notifications.show(channel, content);
    if (document.hidden) unread++;
    showTitle();
  },
});

copies(findElement(document, '#intro [data-part=copy]'), findElement(document, '#intro [data-part=curl]'));
hub.on('state', ({state, code}) => {
  if (state !== 'connecting') showOffline(state !== 'connected');
  if (state === 'connected') {
    echo.connectIfLost();
    showChannels(feed.channels);
    chat.welcome(hub.token !== '');
  }
  if (!needsCredential(code)) return;
  asksWho = true;
  echo.rest('not signed in');
  showChannels(feed.channels);
});
addEventListener('online', reconnect);
addEventListener('pageshow', reconnect);
document.addEventListener('visibilitychange', () => {
  if (document.hidden) return;
  unread = 0;
  showTitle();
  reconnect();
});
for (const channel of channelsInAddress()) feed.add(channel);
hub.connect();

/** Stops waiting; a refusal is left to the reader. */
function reconnect() {
  if (hub.state === 'waiting') hub.connect();
}

/** @param {string} path of one of the hub's WebSockets, relative to this page */
function socketURL(path) {
  const url = new URL(path, base);
  url.protocol = url.protocol.replace('http', 'ws');
  return url;
}

/** The channels that the address asks for: /{channel}?channel=…&channel=… */
function channelsInAddress() {
  const others = new URLSearchParams(location.search).getAll('channel');
  const last = location.pathname.split('/').at(-1) || DEFAULT_CHANNEL;
  try {
    return [decodeURIComponent(last), ...others];
  } catch { // a stray % in it
    return [last, ...others];
  }
}

/**
 * Shows which channels the page is on, in its heading and in its address, which can be shared.
 * @param {string[]} channels
 */
function showChannels(channels) {
  const [first = DEFAULT_CHANNEL, ...others] = channels;
  const example = first.replaceAll(/[*>]/g, 'example');
  fill(findElement(document, '#intro'), 'channel', first);
  fill(findElement(document, '#intro'), 'curl', helloLine(base, example, asksWho || hub.token !== ''));
  account.explain(word(first));
  notifications.suggest(channels.find((name) => !isPattern(name)) ?? example);
  showTitle();
  if (String(channelsInAddress()) === String(channels) || channels.length === 0) return;
  const query = others.map((name) => `channel=${encodeURIComponent(name)}`).join('&');
  history.replaceState(null, '', encodeURIComponent(first) + (query && `?${query}`));
}

function showTitle() {
  const [first = DEFAULT_CHANNEL] = feed.channels;
  document.title = `${unread ? `(${unread}) ` : ''}${first} · ${title}`;
}

/** Says in each form that needs the hub that it is away; what went wrong there stays. @param {boolean} offline */
function showOffline(offline) {
  /** @type {NodeListOf<HTMLFormElement>} */
  const forms = document.querySelectorAll('form[data-needs-hub]');
  for (const form of forms) {
    const failed = findElement(form, '[role=alert]').textContent !== '';
    const said = findElement(form, '[role=status]').textContent;
    if (offline && !failed) tell(form, 'status', OFFLINE);
    if (!offline && said === OFFLINE) tell(form, 'status', '');
  }
}

/** @param {string} name */
function rename(name) {
  identity = {name};
  sessionStorage.setItem('name', name);
  hub.data = identity;
  chat.introduce(identity);
  feed.introduce();
}

/** The reader's name in this tab: each tab has its own. */
function chosenName() {
  const stored = sessionStorage.getItem('name');
  if (stored) return stored;
  /** @param {string[]} words */
  const one = (words) => words[Math.floor(Math.random() * words.length)];
  const name = `${one(['Amber', 'Brisk', 'Calm', 'Clever', 'Gentle', 'Jolly', 'Quiet', 'Swift', 'Witty'])} ${
    one(['Badger', 'Crane', 'Finch', 'Heron', 'Lynx', 'Marten', 'Otter', 'Puffin', 'Wren'])}`;
  sessionStorage.setItem('name', name);
  return name;
}
