/**
 * What is on the sheet at any moment, made of the states that the hub sends 25 times a second.
 * It knows neither the page nor a clock: now is in milliseconds and never goes back.
 *
 * @typedef {{tick: number, planes: any[][], scraps: number[], watching: number}} State as game.go writes it
 * @typedef {{width: number, height: number, radius: number, every: number}} Law every is ms a tick
 * @typedef {{turn: number} | {heading: number}} Steering
 * @typedef {{id: number, x: number, y: number, heading: number, speed: number, size: number, load: number,
 *   shaken: boolean, name: string}} Plane
 */

const DELAY = 100; // ms behind the hub: two states and a half, so that one may come late
const JUMP = 400; // ms by which a state may be late before time is set anew
const MOST_STATES = 30;
const FAR = 160; // units between where the own plane seems and where it is, that are not smoothed over

/** Flight shows others a moment ago, between two states; the own plane where it must be by now. */
export class Flight {
  /** @type {State[]} */
  #states = [];
  #offset = 0; // ms from the hub's time to ours
  /** @type {Plane | null} the player's plane, where the player sees it */
  own = null;
  #drawn = 0;
  /** Which plane is the player's; 0: none. */
  me = 0;

  /** @param {Law} law */
  constructor(law) {
    this.law = law;
  }

  /** The newest state, or undefined. */
  get latest() {
    return this.#states.at(-1);
  }

  /** @param {State} state @param {number} now */
  receive(state, now) {
    const {latest} = this;
    if (latest && state.tick === latest.tick) return;
    const offset = now - state.tick * this.law.every;
    const anew = !latest || state.tick < latest.tick || Math.abs(offset - this.#offset) > JUMP;
    if (anew) this.#states = [];
    this.#offset = anew ? offset : this.#offset + (offset - this.#offset) / 10;
    this.#states.push(state);
    if (this.#states.length > MOST_STATES) this.#states.shift();
  }

  /** All planes at a moment. @param {number} now @param {Steering} steering of the own one @returns {Plane[]} */
  planes(now, steering) {
    const {before, after, part} = this.#around(now);
    const earlier = new Map(before?.planes.map((row) => [row[0], row]));
    const all = (after?.planes ?? []).map((row) => between(earlier.get(row[0]) ?? row, row, part));
    const own = this.#predict(now, steering);
    return [...all.filter(({id}) => id !== this.me), ...(own ? [own] : [])];
  }

  /** The states on both sides of the moment that is shown. @param {number} now */
  #around(now) {
    const tick = (now - this.#offset - DELAY) / this.law.every;
    while (this.#states[1] && this.#states[1].tick <= tick) this.#states.shift();
    const [before, after = before] = this.#states;
    const part = before && after && after !== before ? (tick - before.tick) / (after.tick - before.tick) : 1;
    return {before, after, part: Math.max(0, Math.min(1, part))};
  }

  /** The own plane obeys at once, and is drawn softly to where the hub says. @param {number} now @param {Steering} steering */
  #predict(now, steering) {
    const row = this.latest?.planes.find(([id]) => id === this.me);
    const seconds = Math.min(0.1, (now - this.#drawn) / 1000);
    this.#drawn = now;
    if (!row || !this.latest) return (this.own = null);
    const told = plane(row);
    const age = now - this.#offset - this.latest.tick * this.law.every;
    this.#advance(told, Math.max(0, Math.min(0.25, age / 1000)), steering);
    const own = this.own;
    if (own?.id !== told.id || Math.hypot(own.x - told.x, own.y - told.y) > FAR) return (this.own = told);
    this.#advance(own, seconds, steering);
    const {x, y, heading} = blend(own, told, 1 - Math.exp(-6 * seconds));
    return (this.own = {...told, x, y, heading});
  }

  /** Flies as game.go lets planes fly. @param {Plane} p @param {number} seconds @param {Steering} steering */
  #advance(p, seconds, steering) {
    const {width, height, radius} = this.law;
    const most = p.speed / radius * seconds;
    const by = 'turn' in steering ? steering.turn * most : around(steering.heading - p.heading);
    p.heading = around(p.heading + clamp(by, -most, most));
    const [dx, dy] = [Math.cos(p.heading), Math.sin(p.heading)];
    const [x, y] = [p.x + p.speed * seconds * dx, p.y + p.speed * seconds * dy];
    p.x = clamp(x, p.size, width - p.size);
    p.y = clamp(y, p.size, height - p.size);
    if ((x - p.x) * dx > 0) p.heading = around(Math.PI - p.heading); // an edge throws it back
    if ((y - p.y) * dy > 0) p.heading = -p.heading;
  }
}

/** Whether this is a state, so far as drawing it could fail. @param {any} data @returns {data is State} */
export function isState(data) {
  return Number.isInteger(data?.tick) && [data.planes, data.scraps].every(Array.isArray) &&
    data.planes.every((/** @type {any} */ row) => Array.isArray(row) && row.slice(0, 7).every(Number.isFinite) && typeof row[8] === 'string') &&
    data.scraps.every(Number.isFinite);
}

/** The planes of a state by what they carry, most first; of two alike, who came first. @param {State} state */
export function ranking(state) {
  return state.planes.map(plane).sort((a, b) => b.load - a.load || a.id - b.id);
}

/** @param {any[]} row of a state @returns {Plane} */
function plane([id, x, y, heading, speed, size, load, shaken, name]) {
  return {id, x: x / 4, y: y / 4, heading: heading / 1000 * 2 * Math.PI, speed, size, load, shaken: shaken === 1, name};
}

/** @param {any[]} a @param {any[]} b @param {number} part */
const between = (a, b, part) => blend(plane(a), plane(b), part);

/** b, but so much of the way from a. @param {Plane} a @param {Plane} b @param {number} part */
function blend(a, b, part) {
  return {
    ...b,
    x: a.x + (b.x - a.x) * part, y: a.y + (b.y - a.y) * part, size: a.size + (b.size - a.size) * part,
    heading: a.heading + around(b.heading - a.heading) * part,
  };
}

/** An angle from -π to π. @param {number} angle */
export const around = (angle) => angle - 2 * Math.PI * Math.round(angle / (2 * Math.PI));

/** @param {number} x @param {number} least @param {number} most */
export const clamp = (x, least, most) => Math.max(least, Math.min(most, x));
