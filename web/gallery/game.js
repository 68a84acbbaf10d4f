import {control, fill, find, findElement, onSubmit, tell} from '../dom.js';
import {Page, reasonOf} from '../page.js';
import {Board} from './game-board.js';
import {Controls} from './game-controls.js';
import {Flight, isState} from './game-flight.js';
import {Sheet} from './game-sheet.js';

/** @typedef {import('./game-flight.js').Steering} Steering */

const CHANNEL = 'gallery.game';
const STEER_EVERY = 50; // ms between two calls at least
const HOLD_EVERY = 5_000; // ms after which a key that is held is told again: the player is still there

/** Game shows what the hub says is so, and tells it how the player steers. */
class Game {
  #page = new Page(CHANNEL);
  #hub = this.#page.hub;
  #sub = this.#hub.subscribe(CHANNEL, {data: this.#page.identity});
  #root = findElement(document, '#game');
  #canvas = find(this.#root, 'canvas', HTMLCanvasElement);
  #form = find(this.#root, 'form', HTMLFormElement);
  #landButton = find(this.#root, '[data-part=land]', HTMLButtonElement);
  #controls = new Controls(this.#canvas);
  #board = new Board(this.#root);
  /** @type {Flight | null} null: the hub has not said anything yet */
  #flight = null;
  /** @type {Sheet | null} */
  #sheet = null;
  #wanted = false; // the player wants to fly, and goes on after a lost connection
  #told = {what: '', at: 0, waiting: false};

  constructor() {
    this.#hub.on('state', ({state}) => (state === 'connected' ? this.#arrive() : this.#lost()));
    this.#sub.on('message', ({data}) => this.#receive(data));
    this.#sub.on('ended', (error) => tell(this.#form, 'alert', `You can't watch: ${error.message}.`));
    control(this.#form, 'name').value = this.#page.identity.name;
    onSubmit(this.#form, () => this.#takeOff());
    this.#landButton.addEventListener('click', () => this.#land());
    this.#canvas.addEventListener('keydown', ({key}) => {
      if (key === 'Escape' && this.#controls.active) this.#land();
      if (key === 'Enter' && !this.#controls.active) this.#form.requestSubmit();
    });
    requestAnimationFrame((now) => this.#frame(now));
    this.#page.connect();
  }

  /** The hub is there: asks it what is so, which wakes it up, and flies on. */
  async #arrive() {
    try {
      const {state, ...law} = await this.#hub.rpc('gallery.game.watch', {});
      this.#flight = new Flight(law);
      this.#sheet ??= new Sheet(this.#canvas, law);
      this.#receive(state);
      tell(this.#form, 'status', this.#wanted ? await this.#takeOff() : '');
    } catch (error) { // of a lost connection the next one makes up
      if (this.#hub.state === 'connected') tell(this.#form, 'alert', `No game here: ${reasonOf(error)}.`);
    }
  }

  /** Takes part under the name in the form. */
  async #takeOff() {
    const name = control(this.#form, 'name').value.trim();
    const {player} = await this.#hub.rpc('gallery.game.join', {name}).catch((error) => {
      throw new Error(`Still on the ground: ${reasonOf(error)}.`);
    });
    if (this.#flight) this.#flight.me = player; // the next state shows the plane
    this.#wanted = true;
    this.#told.what = ''; // a new plane has not been steered
    if (name !== this.#page.identity.name) {
      this.#page.rename(name);
      this.#hub.renew(this.#sub, this.#page.identity); // presence tells others who is here
    }
    return '';
  }

  #land() {
    this.#stop('');
    find(this.#form, 'button', HTMLButtonElement).focus();
    this.#hub.rpc('gallery.game.leave', {}).catch(() => {}); // without a connection the hub notices by itself
  }

  #lost() {
    if (this.#flight) this.#flight.me = 0; // the next connection is another player to the hub
    this.#show(false);
    this.#board.stop();
    fill(this.#root, 'why', this.#wanted ? 'Your plane takes off again by itself once the hub is back.' : '');
  }

  /** The player only watches from now on. @param {string} why, if not by their own wish */
  #stop(why) {
    this.#wanted = false;
    if (this.#flight) this.#flight.me = 0;
    this.#show(false);
    fill(this.#root, 'why', why);
  }

  /** Lays the form over the sheet, or gives the sheet to the player. @param {boolean} flying */
  #show(flying) {
    if (this.#controls.active === flying) return;
    const here = this.#root.contains(document.activeElement); // before the form, and its focus with it, is hidden
    this.#controls.active = flying;
    this.#controls.release();
    this.#root.toggleAttribute('data-flying', flying);
    this.#landButton.hidden = !flying;
    fill(this.#root, 'why', '');
    if (flying && here) this.#canvas.focus();
  }

  /** @param {any} data of a message: on an open hub a stranger's program may have sent it */
  #receive(data) {
    const flight = this.#flight;
    if (!flight || !isState(data)) return;
    flight.receive(data, performance.now());
    const there = data.planes.some(([id]) => id === flight.me);
    if (there) this.#show(true);
    else if (this.#controls.active) this.#stop('Nobody steered your plane for a minute, so it has landed. You are watching.');
  }

  /** @param {number} now in milliseconds */
  #frame(now) {
    requestAnimationFrame((next) => this.#frame(next));
    const [flight, sheet, state] = [this.#flight, this.#sheet, this.#flight?.latest];
    if (!flight || !sheet || !state) return;
    const steering = this.#controls.steering((point) => sheet.toSheet(point), flight.own ?? undefined);
    if (this.#controls.active) this.#steer(steering, now);
    const planes = flight.planes(now, steering);
    const news = this.#board.show(state, flight.me, now);
    if (news || planes.length || sheet.stale) sheet.draw(planes, state.scraps, {me: flight.me, leader: this.#board.leader, now});
  }

  /** Tells the hub if that is news: one call at a time. @param {Steering} steering @param {number} now */
  async #steer(steering, now) {
    const told = this.#told;
    const what = 'turn' in steering ? `turn ${steering.turn}` : `heading ${steering.heading.toFixed(1)}`;
    if (told.waiting || now - told.at < (what === told.what ? HOLD_EVERY : STEER_EVERY)) return;
    if (what === told.what && what === 'turn 0') return;
    this.#told = {what, at: now, waiting: true};
    await this.#hub.rpc('gallery.game.steer', steering).catch(() => {}); // the next state tells whether there is a plane
    this.#told.waiting = false;
  }
}

new Game();
