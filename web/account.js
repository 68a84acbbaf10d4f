import {credentialIn, subjectOf} from './credential.js';
import {control, copies, fill, find, findElement, onSubmit, tell} from './dom.js';
import {TOKEN_EXPIRED, needsCredential} from './fanfold.js';

const STORED = 'token';
const WARNING = 5 * 60_000; // ms before the end at which a new token is asked for,
const SHORT = 4; // or this part of what was left at first, if that is less
const LONGEST_WAIT = 3_600_000; // ms; timers of weeks do not work

/**
 * Account shows who one is, and signs in and out. The token is kept in sessionStorage: by this tab
 * alone, for this origin with its port, until it is closed. A cookie would be sent along with what
 * pages of the machine's other ports ask for, and the connect frame could not carry it.
 */
export class Account {
  #root = findElement(document, '#account');
  #panel = findElement(document, '#sign-in');
  #form = find(this.#panel, 'form', HTMLFormElement);
  #signOut = findElement(this.#root, '[data-part=out]');
  #offer = findElement(this.#root, '[data-part=in]');
  #cancel = findElement(this.#panel, '[data-part=cancel]');
  /** Whose the last connection was; null: there was none. @type {string | null} */
  #who = null;
  #lead = 0; // ms before the end at which to warn
  #timer = 0;
  #hub;

  /** @param {import('./fanfold.js').Fanfold} hub that is not connected yet */
  constructor(hub) {
    this.#hub = hub;
    hub.token = sessionStorage.getItem(STORED) ?? '';
    hub.on('state', ({state, reason, code}) => this.#follow(state, reason, code));
    hub.on('denied', () => this.#mayHelp());
    onSubmit(this.#form, () => this.#signIn());
    this.#signOut.addEventListener('click', () => this.#leave());
    this.#offer.addEventListener('click', () => {
      this.#ask('Paste a token or key that lets you do more.', 'Not now');
      control(this.#form, 'token').focus();
    });
    this.#cancel.addEventListener('click', () => this.#goOn());
    copies(findElement(this.#panel, '[data-part=copy]'), findElement(this.#panel, '[data-part=line]'));
  }

  /** Says how to make a token for a channel. @param {string} quoted for a shell */
  explain(quoted) {
    const grants = ['subscribe', 'publish', 'presence', 'history'].map((action) => ` \\\n  --${action} ${quoted}`);
    fill(this.#panel, 'line', `fanfold token --sub ada${grants.join('')}`);
  }

  /** @param {import('./fanfold.js').State} state @param {string} reason @param {number} code */
  #follow(state, reason, code) {
    clearTimeout(this.#timer);
    if (state === 'connected') this.#welcome();
    if (state === 'refused' && needsCredential(code)) this.#refused(reason, code);
  }

  /** Shows who is connected. What another has read does not stay. */
  #welcome() {
    const {token, expires} = this.#hub;
    const who = subjectOf(token) || token;
    if (token) sessionStorage.setItem(STORED, token);
    if (this.#who !== null && this.#who !== who) return location.reload();
    this.#who = who;
    this.#root.hidden = !token;
    this.#signOut.hidden = !token;
    this.#offer.hidden = true;
    fill(this.#root, 'user', token && (subjectOf(token) || 'a key'));
    this.#close();
    this.#lead = Math.min(WARNING, (expires - Date.now()) / SHORT);
    if (expires) this.#watch();
  }

  /** Asks for a new token before this one's end. */
  #watch() {
    const wait = this.#hub.expires - this.#lead - Date.now();
    if (wait > 0) {
      this.#timer = window.setTimeout(() => this.#watch(), Math.min(wait, LONGEST_WAIT));
      return;
    }
    const end = new Date(this.#hub.expires).toLocaleTimeString(undefined, {timeStyle: 'medium'});
    this.#ask(`Your token expires at ${end}. Paste a new one and nothing is missed.`, 'Not now');
  }

  /** @param {string} reason @param {number} code */
  #refused(reason, code) {
    const shown = this.#hub.token !== '';
    this.#forget();
    this.#root.hidden = true;
    this.#ask(code === TOKEN_EXPIRED
      ? 'Your token has expired. Paste a new one: what comes meanwhile is shown then.'
      : 'This hub asks who you are. Paste your token or key to sign in.', shown ? 'Go on without it' : '');
    if (shown) tell(this.#form, 'alert', `Not signed in: ${reason}.`);
  }

  /** Offers to sign in, as somebody else may do what was denied. */
  #mayHelp() {
    if (this.#hub.token || this.#hub.state !== 'connected') return;
    this.#root.hidden = false;
    this.#signOut.hidden = true;
    this.#offer.hidden = false;
  }

  /** @param {string} why @param {string} otherwise what the button is called that goes on without; '': there is none */
  #ask(why, otherwise) {
    this.#panel.hidden = false;
    fill(this.#panel, 'cancel', otherwise);
    fill(this.#panel, 'why', why);
    tell(this.#form, 'status', '');
    const elsewhere = document.activeElement !== document.body && !this.#panel.contains(document.activeElement);
    if (!elsewhere) control(this.#form, 'token').focus(); // else the reader is at something
  }

  #signIn() {
    const credential = credentialIn(control(this.#form, 'token').value);
    this.#hub.reconnectAs(credential);
    return 'Signing in…';
  }

  #goOn() {
    this.#close();
    if (this.#hub.state === 'refused') this.#hub.reconnectAs('');
  }

  #close() {
    if (this.#panel.contains(document.activeElement)) findElement(document, 'main').focus();
    this.#panel.hidden = true;
    this.#form.reset();
    tell(this.#form, 'status', '');
  }

  /** Nothing of what was read stays. */
  #leave() {
    this.#forget();
    location.reload();
  }

  #forget() {
    this.#hub.token = '';
    sessionStorage.removeItem(STORED);
  }
}
