import {control, fill, fillSender, find, findElement, messageOf, onSubmit, showTime, stamp} from './dom.js';
import {Log} from './log.js';
import {contentOf, senderOf} from './message.js';

/**
 * @typedef {import('./subscription.js').ClientInfo} ClientInfo
 * @typedef {import('./subscription.js').Position} Position
 * @typedef {import('./subscription.js').Publication} Publication
 */

const CHANNEL = 'chat.lobby';
const FIRST = 20; // messages read from history on opening
const MOST_ROWS = 500;

/** Chat is a room for all tabs: the messages of one channel, and its presence. */
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
  #opened = false;
  #hub;
  #sub;

  /**
   * @param {import('./fanfold.js').Fanfold} hub
   * @param {{name: string}} identity of this client
   * @param {(name: string) => void} onName is told the new name that the reader wants
   */
  constructor(hub, identity, onName) {
    this.#hub = hub;
    this.#sub = hub.subscribe(CHANNEL, {joinLeave: true, data: identity});
    this.#sub.on('subscribed', (recovered) => this.#enter(recovered));
    this.#sub.on('suspended', () => this.#setHere(null));
    this.#sub.on('message', (publication) => this.#append(messageRow(publication, hub.id)));
    this.#sub.on('join', (info) => this.#joined(info));
    this.#sub.on('leave', (info) => this.#left(info));
    this.#sub.on('ended', (error) => this.#append(eventRow(`The room is closed: ${error.message}.`)));
    onSubmit(this.#form, () => this.#send());
    onSubmit(this.#nameForm, () => this.#rename(onName));
    control(this.#nameForm, 'name').value = identity.name;
  }

  /** Takes part under another name. @param {{name: string}} identity */
  introduce(identity) {
    this.#hub.renew(this.#sub, identity);
  }

  /** Who has signed in goes by that name. @param {boolean} signedIn */
  welcome(signedIn) {
    this.#nameForm.hidden = signedIn;
  }

  async #send() {
    const input = control(this.#form, 'message');
    const text = input.value;
    try {
      await this.#hub.publish(CHANNEL, text);
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

  /** @param {boolean | null} recovered */
  async #enter(recovered) {
    const {position} = this.#sub;
    this.#gone.clear();
    if (recovered === false) {
      this.#opened = false;
      this.#log.now(() => this.#log.list.replaceChildren());
    }
    try {
      if (!this.#opened && position) await this.#readUntil(position);
      const people = await this.#hub.presence(CHANNEL);
      this.#setHere(people.filter(({client}) => !this.#gone.has(client)));
    } catch (error) {
      if (this.#hub.state !== 'connected') return; // the next connection enters again
      this.#append(eventRow(`Not all of the room can be shown: ${messageOf(error)}.`));
    }
  }

  /** Shows the latest messages up to a position, before those that came since. @param {Position} position */
  async #readUntil({offset, epoch}) {
    const since = {offset: offset + 1, epoch};
    const page = await this.#hub.history(CHANNEL, {limit: FIRST, reverse: true, since});
    this.#opened = true;
    const rows = page.reverse().map((publication) => messageRow(publication, this.#hub.id));
    this.#log.now(() => this.#log.list.prepend(...rows));
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
        before.row.replaceWith(eventRow(`${before.name} is now ${name}`));
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
    if (!people) fill(this.#root, 'count', 'not known without a connection');
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
    while (this.#log.list.childElementCount > MOST_ROWS) this.#log.list.firstElementChild?.remove();
  }
}

/** @param {Publication} publication @param {string} me */
function messageRow({data, info, time = Date.now()}, me) {
  const row = stamp('chat-row');
  const {title, text} = contentOf(data);
  row.toggleAttribute('data-own', info?.client === me);
  fillSender(row, info);
  fill(row, 'text', title ? `${title}: ${text}` : text);
  showTime(row, time);
  return row;
}

/** @param {string} text */
function eventRow(text) {
  const row = stamp('chat-event');
  fill(row, 'text', text);
  return row;
}
