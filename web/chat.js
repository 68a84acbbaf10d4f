import {control, fill, fillSender, find, findElement, messageOf, onSubmit, showTime, stamp} from './dom.js';
import {Log} from './log.js';
import {contentOf, senderOf, sequenceOf} from './message.js';

/**
 * @typedef {import('./subscription.js').ClientInfo} ClientInfo
 * @typedef {import('./subscription.js').Position} Position
 * @typedef {import('./subscription.js').Publication} Publication
 *
 * Room is a channel that one is in. opened says that its history has been read; left ends what is
 * heard of it.
 * @typedef {{channel: string, sub: import('./subscription.js').Subscription, left: AbortController, opened: boolean}} Room
 */

const LOBBY = 'chat.lobby';
const FIRST = 20; // messages read from history on opening
const MOST_ROWS = 500; // the oldest go when there are more,
const AT_ONCE = 50; // so many at a time, since all that are left have to move

/** Chat is a room: the messages of one channel, and its presence. */
export class Chat {
  #root = findElement(document, '#chat');
  #log = new Log(findElement(this.#root, '.log'));
  #people = findElement(this.#root, '[data-part=people]');
  #form = find(this.#root, 'form[name=chat]', HTMLFormElement);
  #nameForm = find(this.#root, 'form[name=name]', HTMLFormElement);
  /** @type {Map<string, ClientInfo>} by client id, of those who are here */
  #here = new Map();
  /** @type {Set<string>} client ids that left while presence was being asked for */
  #gone = new Set();
  /** @type {{id: string, name: string, row: Element} | null} who left last */
  #lastLeft = null;
  /** @type {Map<string, HTMLElement | null>} what is shown of a message, by its id; null: it was deleted */
  #said = new Map();
  #hub;
  #identity;
  /** @type {Room | null} */
  #room = null;

  /**
   * @param {import('./fanfold.js').Fanfold} hub
   * @param {{name: string}} identity of this client
   * @param {(name: string) => void} onName is told the new name that the reader wants
   */
  constructor(hub, identity, onName) {
    this.#hub = hub;
    this.#identity = identity;
    onSubmit(this.#form, () => this.#send());
    onSubmit(this.#nameForm, () => this.#rename(onName));
    control(this.#nameForm, 'name').value = identity.name;
  }

  /** Leaves the room for another. @param {string} channel */
  enter(channel = LOBBY) {
    if (this.#room) {
      this.#room.left.abort();
      this.#hub.unsubscribe(this.#room.sub);
      this.#forget();
    }
    const sub = this.#hub.subscribe(channel, {joinLeave: true, data: this.#identity});
    const room = {channel, sub, left: new AbortController(), opened: false};
    this.#room = room;
    this.#setHere(null);
    const until = room.left.signal;
    sub.on('subscribed', (recovered) => this.#enter(room, recovered), until);
    sub.on('suspended', () => this.#setHere(null), until);
    sub.on('message', (publication) => this.#hear(room, publication), until);
    sub.on('join', (info) => this.#joined(info), until);
    sub.on('leave', (info) => this.#left(info), until);
    sub.on('ended', (error) => this.#append(eventRow(`The room is closed: ${error.message}.`)), until);
  }

  /** Takes part under another name. @param {{name: string}} identity */
  introduce(identity) {
    this.#identity = identity;
    if (this.#room) this.#hub.renew(this.#room.sub, identity);
  }

  /** Who has signed in goes by that name. @param {boolean} signedIn */
  welcome(signedIn) {
    this.#nameForm.hidden = signedIn;
  }

  async #send() {
    const input = control(this.#form, 'message');
    const text = input.value;
    try {
      await this.#hub.publish(this.#room?.channel ?? LOBBY, text);
    } catch (error) {
      throw new Error(`Not sent: ${messageOf(error)}.`);
    }
    if (input.value === text) input.value = '';
    return '';
  }

  /** @param {(name: string) => void} onName */
  #rename(onName) {
    const name = control(this.#nameForm, 'name').value.trim();
    if (name === '') throw new Error('A name needs a letter or two.');
    onName(name);
    return `You are ${name} now.`;
  }

  /** @param {Room} room @param {boolean | null} recovered */
  async #enter(room, recovered) {
    const {position} = room.sub;
    this.#gone.clear();
    if (recovered === false) {
      room.opened = false;
      this.#forget();
    }
    try {
      if (!room.opened && position) await this.#readUntil(room, position);
      const people = await this.#hub.presence(room.channel);
      if (room === this.#room) this.#setHere(people.filter(({client}) => !this.#gone.has(client)));
    } catch (error) {
      if (this.#hub.state !== 'connected' || room !== this.#room) return; // the next one enters again
      this.#append(eventRow(`Not all of the room can be shown: ${messageOf(error)}.`));
    }
  }

  /** Shows the latest messages up to a position, before those that came since. @param {Room} room @param {Position} position */
  async #readUntil(room, {offset, epoch}) {
    const since = {offset: offset + 1, epoch};
    const page = await this.#hub.history(room.channel, {limit: FIRST, reverse: true, since});
    if (room !== this.#room) return;
    room.opened = true;
    this.#log.now(() => {
      /** @type {Map<string, HTMLElement | null>} */
      const before = new Map();
      const rows = page.reverse().map((publication) => this.#rowFor(before, epoch, publication));
      this.#log.list.prepend(...rows.filter((row) => row !== null));
      for (const [id, row] of before) {
        if (this.#said.has(id)) row?.remove(); // something newer was said of it
        else this.#said.set(id, row);
      }
    });
  }

  /** Shows a message that arrives. @param {Room} room @param {Publication} publication */
  #hear({sub}, publication) {
    const epoch = sub.position?.epoch ?? '';
    this.#log.soon(() => {
      const row = this.#rowFor(this.#said, epoch, publication);
      if (row) this.#add(row);
    });
  }

  /**
   * Makes a row for a message, unless it says what became of another: then changes that one.
   * @param {Map<string, HTMLElement | null>} said
   * @param {string} epoch
   * @param {Publication} publication
   */
  #rowFor(said, epoch, publication) {
    const {id, event} = sequenceOf(publication.data, {epoch, offset: publication.offset ?? 0});
    const shown = said.get(id);
    if (event === 'message_delete') {
      if (shown) change(shown, 'deleted', 'This message was deleted.');
      said.set(id, null);
    }
    if (event) return null;
    if (shown) change(shown, 'edited', textOf(publication.data));
    if (shown) return null;
    const row = messageRow(publication, this.#hub.id);
    if (id) said.set(id, row);
    return row;
  }

  /** Forgets all that was said. */
  #forget() {
    this.#log.now(() => this.#log.list.replaceChildren());
    this.#said.clear();
    this.#lastLeft = null;
  }

  /** @param {ClientInfo} info */
  #joined(info) {
    const name = senderOf(info);
    const before = this.#lastLeft?.id === info.client ? this.#lastLeft : null;
    this.#here.set(info.client, info);
    this.#gone.delete(info.client);
    this.#showPeople();
    this.#log.soon(() => {
      if (before && before.row === this.#log.list.lastElementChild) {
        if (before.name === name) before.row.remove();
        else before.row.replaceWith(eventRow(`${before.name} is now ${name}`));
      } else if (info.client !== this.#hub.id) {
        this.#add(eventRow(`${name} joined`));
      }
    });
  }

  /** @param {ClientInfo} info */
  #left(info) {
    const name = senderOf(info);
    this.#here.delete(info.client);
    this.#gone.add(info.client);
    this.#showPeople();
    const row = eventRow(`${name} left`);
    this.#append(row);
    this.#lastLeft = {id: info.client, name, row};
  }

  /** @param {ClientInfo[] | null} people null: not known */
  #setHere(people) {
    this.#here = new Map(people?.map((info) => [info.client, info]));
    this.#showPeople();
    if (!people) fill(this.#root, 'count', 'not known');
  }

  #showPeople() {
    const byName = [...this.#here.values()].sort((a, b) => senderOf(a).localeCompare(senderOf(b)));
    fill(this.#root, 'count', String(byName.length));
    this.#people.replaceChildren(...byName.map((info) => {
      const person = stamp('person');
      fillSender(person, info);
      fill(person, 'you', info.client === this.#hub.id ? '(you)' : '');
      return person;
    }));
  }

  /** @param {Element} row */
  #append(row) {
    this.#log.soon(() => this.#add(row));
  }

  /** @param {Element} row */
  #add(row) {
    this.#log.list.append(row);
    if (this.#log.list.childElementCount <= MOST_ROWS + AT_ONCE) return;
    while (this.#log.list.childElementCount > MOST_ROWS) this.#log.list.firstElementChild?.remove();
    for (const id of this.#said.keys()) {
      if (this.#said.size <= 2 * MOST_ROWS) break;
      this.#said.delete(id);
    }
  }
}

/** @param {Publication} publication @param {string} me */
function messageRow({data, info, time = Date.now()}, me) {
  const row = stamp('chat-row');
  row.toggleAttribute('data-own', info?.client === me);
  fillSender(row, info);
  fill(row, 'text', textOf(data));
  showTime(row, time);
  return row;
}

/** @param {unknown} data */
function textOf(data) {
  const {title, text} = contentOf(data);
  return title ? `${title}: ${text}` : text;
}

/** Shows what became of a message. @param {HTMLElement} row @param {'edited' | 'deleted'} what @param {string} text */
function change(row, what, text) {
  row.dataset.state = what;
  fill(row, 'mark', what === 'edited' ? what : '');
  fill(row, 'text', text);
}

/** @param {string} text */
function eventRow(text) {
  const row = stamp('chat-event');
  fill(row, 'text', text);
  return row;
}
