import {Account} from './account.js';
import {findElement, messageOf, tell} from './dom.js';
import {Fanfold} from './fanfold.js';
import {word} from './shell.js';
import {Status} from './status.js';
import {FanfoldError} from './subscription.js';

const UNKNOWN_METHOD = 104; // of an rpc, in the protocol
const OFFLINE = 'Not connected: nothing can be sent now.';

/**
 * Page is what the front page and each example share: one client of the hub, who uses it, the
 * state of the connection, and signing in.
 *
 *     const {hub} = new Page('gallery.game');
 *     hub.subscribe('gallery.game').on('message', ({data}) => show(data));
 *     page.connect();
 */
export class Page {
  /** The hub's address, ending in a slash: where this module is. */
  base = new URL('.', import.meta.url).href;
  hub = new Fanfold(this.socketURL('connection/websocket'), {data: {name: chosenName()}});
  account = new Account(this.hub);

  /** @param {string} channel or pattern that the page is about */
  constructor(channel) {
    new Status(this.hub);
    this.account.explain(word(channel));
    this.hub.on('state', ({state}) => state !== 'connecting' && showOffline(state !== 'connected'));
    addEventListener('online', () => this.#reconnect());
    addEventListener('pageshow', () => this.#reconnect());
    document.addEventListener('visibilitychange', () => document.hidden || this.#reconnect());
  }

  /** Connects. Subscriptions that are made before go along in the first frame. */
  connect() {
    this.hub.connect();
  }

  /** Describes the reader to others: by name. Each tab has its own. @returns {{name: string}} */
  get identity() {
    return this.hub.data;
  }

  /** Gives the reader another name, from the next connection or subscription on. @param {string} name */
  rename(name) {
    this.hub.data = {name};
    sessionStorage.setItem('name', name);
  }

  /** @param {string} path of one of the hub's WebSockets, relative to its address */
  socketURL(path) {
    const url = new URL(path, this.base);
    url.protocol = url.protocol.replace('http', 'ws');
    return url;
  }

  /** Stops waiting; a refusal is left to the reader. */
  #reconnect() {
    if (this.hub.state === 'waiting') this.hub.connect();
  }
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

/** What to tell of a call to an example's side in the hub that failed. @param {unknown} error */
export function reasonOf(error) {
  const absent = error instanceof FanfoldError && error.code === UNKNOWN_METHOD;
  return absent ? 'This hub runs without its side of the gallery: start it with --demo' : messageOf(error);
}

/** The reader's name in this tab. */
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
