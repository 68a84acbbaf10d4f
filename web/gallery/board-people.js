/**
 * People are those who have the board open: their names, where each one's pointer is, and what
 * they are drawing or moving before it is done. All of it goes over a live channel: nothing of it
 * is stored, and what a slow connection misses is out of date anyway.
 *
 * Each message says all there is to say of its sender, so that a lost one does no harm:
 * {at: [x, y], draft?: {n, kind, color, bold, …}, drag?: {ids, by: [dx, dy]}}. The draft of a pen stroke
 * brings only the points since the message before.
 */
import {fill, fillSender, findElement, messageOf, stamp} from '../dom.js';
import {senderOf} from '../message.js';
import {reasonOf} from '../page.js';
import {extend} from './board-ink.js';
import {HEIGHT, WIDTH, clamp, numbers, readShape} from './board-shapes.js';

/**
 * @typedef {import('../subscription.js').ClientInfo} ClientInfo
 * @typedef {import('./board-shapes.js').Shape} Shape
 *
 * Doing is what somebody is at, where. A draft's n tells it from the one before.
 * @typedef {{n: number, shape: Shape}} Draft
 * @typedef {{at: number[] | null, draft: Draft | null, drag: {ids: Set<string>, dx: number, dy: number} | null}} Doing
 *
 * @typedef {{cursor: SVGGElement, n: number, way: number[], timer: number,
 *   drag: import('./board-paper.js').Hold | null}} Peer n is that of the draft that is shown, -1 if none is
 */

export const LIVE = 'gallery.live.board';
const PERIOD = 50; // ms between two messages: at most 20 a second
const IDLE = 20_000; // ms after which a pointer that does not move is no longer shown
const OVERLAP = 300; // ms for which a draft stays, until the object itself has come
const MOST_PEERS = 50; // whose pointers are shown
const MOST_NAMES = 30; // that are listed; all are counted
const MOST_DRAGGED = 100; // objects that are seen moving
const MOST_NEWS = 400; // numbers of a message
const COLOURS = 8;
const SVG = 'http://www.w3.org/2000/svg';

export class People {
  /** @type {import('../subscription.js').Subscription | null} null: not yet */
  #sub = null;
  /** @type {Map<string, ClientInfo> | null} by client id, of those who are here; null: not known */
  #here = null;
  /** @type {Set<string>} client ids that left while presence was being asked for */
  #gone = new Set();
  /** @type {Map<string, Peer>} by client id, of those who have a pointer */
  #peers = new Map();
  /** @type {Doing | null} to be told; null: all is */
  #news = null;
  #timer = 0; // runs while the next message has to wait
  #told = {n: 0, length: 0}; // how much of which draft
  #muted = true; // nothing is to be told
  #frame = 0;
  #unit = 1;
  #hub;
  #paper;
  #root;
  #cursors;
  #onTrouble;
  #onPlain;

  /**
   * @param {import('../page.js').Page} page
   * @param {import('./board-paper.js').Paper} paper
   * @param {{root: HTMLElement, cursors: SVGGElement, onTrouble: (text: string) => void, onPlain: (reason: string) => void}} on
   *   onPlain is told why pointers are not shared, but all else is; '': they are
   */
  constructor(page, paper, {root, cursors, onTrouble, onPlain}) {
    this.#hub = page.hub;
    this.#paper = paper;
    this.#root = root;
    this.#cursors = cursors;
    this.#onTrouble = onTrouble;
    this.#onPlain = onPlain;
    page.hub.on('state', ({state}) => state === 'connected' && !this.#sub && this.#join(page.identity.name));
  }

  /** Takes part under another name. @param {string} name */
  introduce(name) {
    if (this.#sub) this.#hub.renew(this.#sub, {name, color: this.#sub.data.color});
  }

  /** Tells the others, soon, what this tab's user is doing. @param {Doing} doing */
  tell(doing) {
    this.#news = doing;
    if (!this.#timer) this.#send();
  }

  /** The pointers are as large in any window. @param {number} unit how many units of the board are one CSS pixel */
  scale(unit) {
    this.#unit = unit;
    for (const {cursor} of this.#peers.values()) this.#place(cursor);
  }

  /** Comes in, in a colour that nobody else has if there is one. @param {string} name */
  async #join(name) {
    const others = await this.#hub.presence(LIVE).catch(() => []);
    if (this.#sub) return;
    const sub = this.#hub.subscribe(LIVE, {joinLeave: true, data: {name, color: ownColour(others)}});
    this.#sub = sub;
    sub.on('subscribed', () => this.#enter());
    sub.on('suspended', () => this.#leave());
    sub.on('join', (info) => this.#joined(info));
    sub.on('leave', ({client}) => this.#left(client));
    sub.on('message', ({data, info}) => info && this.#hear(info, Object(data)));
    sub.on('ended', (error) => this.#onTrouble(`Others and their pointers are not shown: ${error.message}.`));
  }

  async #enter() {
    this.#gone.clear();
    this.#muted = true; // until it is sure that nobody keeps it
    try {
      await this.#hub.rpc('gallery.present', {});
      this.#muted = false;
      this.#onPlain('');
    } catch (error) {
      if (this.#hub.state === 'connected') this.#onPlain(reasonOf(error));
    }
    try {
      const people = await this.#hub.presence(LIVE);
      this.#here = new Map(people.filter(({client}) => !this.#gone.has(client)).map((info) => [info.client, info]));
      this.#showNames();
    } catch (error) {
      if (this.#hub.state === 'connected') this.#onTrouble(`Who is here is not shown: ${messageOf(error)}.`);
    }
  }

  #leave() {
    this.#here = null;
    for (const client of [...this.#peers.keys()]) this.#forget(client);
    this.#showNames();
  }

  /** @param {ClientInfo} info */
  #joined(info) {
    this.#gone.delete(info.client);
    this.#here?.set(info.client, info);
    this.#showNames();
    const peer = this.#peers.get(info.client);
    if (peer) name(peer.cursor, info);
  }

  /** @param {string} client */
  #left(client) {
    this.#gone.add(client);
    this.#here?.delete(client);
    this.#forget(client);
    this.#showNames();
  }

  #showNames() {
    this.#frame ||= requestAnimationFrame(() => this.#drawNames());
  }

  #drawNames() {
    this.#frame = 0;
    const own = (/** @type {ClientInfo} */ {client}) => client === this.#hub.id;
    const all = [...this.#here?.values() ?? []].sort((a, b) => Number(own(b)) - Number(own(a)) || senderOf(a).localeCompare(senderOf(b)));
    fill(this.#root, 'count', this.#here ? String(all.length) : '–');
    findElement(this.#root, '[data-part=people]').replaceChildren(...all.slice(0, MOST_NAMES).map((info) => {
      const person = stamp('board-person');
      person.dataset.person = String(colourOf(info));
      fillSender(person, info);
      fill(person, 'you', own(info) ? '(you)' : '');
      return person;
    }));
  }

  #send() {
    const news = this.#news;
    this.#news = null;
    if (!news) return;
    this.#timer = window.setTimeout(() => {
      this.#timer = 0;
      this.#send();
    }, PERIOD);
    const alone = this.#here?.size === 1;
    if (this.#sub?.state !== 'subscribed' || alone || this.#muted) return;
    this.#hub.publish(LIVE, this.#encode(news), {excludeSelf: true}).catch((error) => {
      if (this.#hub.state !== 'connected' || this.#muted) return;
      this.#muted = !error.temporary;
      this.#onTrouble(`Others do not see your pointer: ${messageOf(error)}.`);
    });
  }

  /** @param {Doing} doing */
  #encode({at, draft, drag}) {
    return {
      at: at?.map(Math.round),
      draft: draft ? this.#encodeDraft(draft) : undefined,
      drag: drag ? {ids: [...drag.ids].slice(0, MOST_DRAGGED), by: [drag.dx, drag.dy].map(Math.round)} : undefined,
    };
  }

  /** @param {Draft} draft */
  #encodeDraft({n, shape: {kind, x, y, w, h, color, bold, way}}) {
    const common = {n, kind, color, bold: bold || undefined};
    if (kind !== 'stroke') return {...common, at: [x, y].map(Math.round), size: [w, h].map(Math.round)};
    const from = this.#told.n === n ? this.#told.length : 0; // beyond the end if the way was thinned
    this.#told = {n, length: way.length};
    return {...common, more: way.slice(from).map(Math.round)};
  }

  /** @param {ClientInfo} info @param {any} doing as #encode made it, or anything */
  #hear(info, {at, draft, drag}) {
    const {client} = info;
    const place = numbers(at, 2);
    if (place.length < 2) return this.#forget(client, OVERLAP);
    const peer = this.#peers.get(client) ?? this.#meet(info);
    if (!peer) return;
    clearTimeout(peer.timer);
    peer.timer = window.setTimeout(() => this.#forget(client), IDLE);
    [peer.cursor.dataset.x, peer.cursor.dataset.y] = [String(clamp(place[0] ?? 0, 0, WIDTH)), String(clamp(place[1] ?? 0, 0, HEIGHT))];
    this.#place(peer.cursor);
    this.#showDraft(client, peer, Object(draft));
    this.#showDrag(client, peer, Object(drag));
  }

  /** @param {string} client @param {Peer} peer @param {any} draft */
  #showDraft(client, peer, draft) {
    if (!Number.isInteger(draft.n)) return this.#end(client, peer);
    if (draft.n !== peer.n) peer.way = [];
    peer.n = draft.n;
    const more = numbers(draft.more, MOST_NEWS);
    for (let i = 0; i + 1 < more.length; i += 2) extend(peer.way, more[i] ?? 0, more[i + 1] ?? 0);
    const shape = readShape(draft.kind === 'stroke' ? {...draft, at: [0, 0]} : draft);
    if (shape) this.#paper.sketch(client, draft.kind === 'stroke' ? {...shape, way: [...peer.way]} : shape);
  }

  /** Takes a finished draft away, once the object itself has had time to come. @param {string} client @param {Peer} peer */
  #end(client, peer) {
    const {n} = peer;
    if (n < 0) return;
    setTimeout(() => {
      if (peer.n !== n) return; // the next has begun
      peer.n = -1;
      this.#paper.sketch(client, null);
    }, OVERLAP);
  }

  /** @param {string} client @param {Peer} peer @param {any} drag */
  #showDrag(client, peer, {ids, by}) {
    const [dx, dy] = numbers(by, 2);
    if (Array.isArray(ids) && dx !== undefined && dy !== undefined) {
      peer.drag = {ids: new Set(ids.slice(0, MOST_DRAGGED)), dx, dy};
      return this.#paper.hold(client, peer.drag);
    }
    const {drag} = peer;
    if (drag) setTimeout(() => peer.drag === drag && this.#letGo(client, peer), OVERLAP);
  }

  /** @param {string} client @param {Peer} peer */
  #letGo(client, peer) {
    peer.drag = null;
    this.#paper.hold(client, null);
  }

  /** @param {ClientInfo} info @returns {Peer | null} null: there are too many already */
  #meet(info) {
    if (this.#peers.size >= MOST_PEERS) return null;
    const cursor = document.createElementNS(SVG, 'g');
    const arrow = document.createElementNS(SVG, 'path');
    arrow.setAttribute('d', 'M0 0l5 17 3.6-7 7.2-2.6z');
    const label = document.createElementNS(SVG, 'text');
    label.setAttribute('x', '14');
    label.setAttribute('y', '24');
    cursor.append(arrow, label);
    name(cursor, info);
    this.#cursors.append(cursor);
    const peer = {cursor, n: -1, way: [], timer: 0, drag: null};
    this.#peers.set(info.client, peer);
    return peer;
  }

  /** @param {SVGGElement} cursor */
  #place(cursor) {
    cursor.setAttribute('transform', `translate(${cursor.dataset.x} ${cursor.dataset.y}) scale(${this.#unit})`);
  }

  /** Takes away somebody's pointer and what they were at. @param {string} client @param {number} [overlap] ms */
  #forget(client, overlap = 0) {
    const peer = this.#peers.get(client);
    if (!peer) return;
    this.#peers.delete(client);
    clearTimeout(peer.timer);
    peer.cursor.remove();
    this.#paper.hold(client, null);
    setTimeout(() => this.#peers.has(client) || this.#paper.sketch(client, null), overlap);
  }
}

/** @param {SVGGElement} cursor @param {ClientInfo} info */
function name(cursor, info) {
  cursor.dataset.person = String(colourOf(info));
  const label = cursor.querySelector('text');
  if (label) label.textContent = senderOf(info);
}

/** @param {ClientInfo} info */
function colourOf({chan_info: data}) {
  const color = Object(data).color;
  return Number.isInteger(color) && color >= 0 && color < COLOURS ? color : 0;
}

/** This tab's colour, which it keeps. @param {ClientInfo[]} others */
function ownColour(others) {
  const stored = sessionStorage.getItem('board-colour');
  if (stored !== null) return Number(stored);
  const taken = new Set(others.map(colourOf));
  const all = [...Array(COLOURS).keys()];
  const free = all.filter((color) => !taken.has(color));
  const choice = free.length > 0 ? free : all;
  const color = choice[Math.floor(Math.random() * choice.length)] ?? 0;
  sessionStorage.setItem('board-colour', String(color));
  return color;
}
