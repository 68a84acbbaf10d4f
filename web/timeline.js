import {fill, fillSender, findElement, showTime, stamp} from './dom.js';
import {Log} from './log.js';
import {contentOf, sequenceOf} from './message.js';

/**
 * Entry is a message as the timeline takes it.
 * @typedef {{channel: string, epoch: string, publication: import('./subscription.js').Publication}} Entry
 *
 * Place orders rows: by offset within an epoch, else by time.
 * @typedef {{epoch: string, offset: number, time: number}} Place
 *
 * A row stays at its place; state is that of what it shows of its sequence.
 * @typedef {{element: HTMLElement, key: string, place: Place, state: Place, sequence: string, event: string}} Row
 */

const MOST_ROWS = 1_000; // the oldest go when there are more,
const MOST_READ = 10_000; // unless one has scrolled up to read: then later;
const AT_ONCE = 100; // so many at a time, since all that are left have to move

/** Timeline shows messages of any channels in one list, each once; of a sequence its newest state. */
export class Timeline {
  #log;
  /** @type {Row[]} as in the list */
  #rows = [];
  /** @type {Set<string>} of the stored messages shown */
  #keys = new Set();
  /** @type {Map<string, Row>} by sequence; the event if there is nothing to show */
  #shown = new Map();
  #onTrim;

  /**
   * @param {HTMLElement} root of a Log
   * @param {(oldest: Place) => void} onTrim is told the place of the oldest row, once older ones are gone
   */
  constructor(root, onTrim) {
    this.#log = new Log(root);
    this.#onTrim = onTrim;
  }

  /**
   * Adds a message at the end.
   * @param {Entry} entry
   * @returns {boolean} whether it is a new one
   */
  arrive(entry) {
    const row = this.#row(entry);
    if (row) this.#log.soon(() => this.#isNew(row) && this.#append(row));
    return row?.event === '';
  }

  /** Adds messages from history where they belong. @param {Entry[]} entries newest first */
  insert(entries) {
    this.#log.now(() => {
      for (const row of entries.map((entry) => this.#row(entry))) if (row && this.#isNew(row)) this.#put(row, this.#indexFor(row.place));
    });
  }

  /**
   * Adds a remark at the end.
   * @param {string} text
   * @param {'good' | 'gap'} tone
   * @returns {(text: string) => void} changes its text
   */
  note(text, tone) {
    const element = stamp('note');
    element.dataset.tone = tone;
    fill(element, 'text', text);
    this.#log.soon(() => {
      const place = this.#rows.at(-1)?.place ?? {epoch: '', offset: 0, time: 0};
      this.#append({element, key: '', place, state: place, sequence: '', event: ''});
    });
    return (newer) => void fill(element, 'text', newer);
  }

  /** @param {Row} row */
  #append(row) {
    this.#put(row, this.#rows.length);
    this.#trim(this.#log.atEnd ? MOST_ROWS : MOST_READ);
  }

  /** @param {Entry} entry @returns {Row | null} null if it is shown already */
  #row({channel, epoch, publication}) {
    const {data, offset = 0, time = Date.now()} = publication;
    const {id, event} = sequenceOf(data, {epoch, offset});
    const key = offset && !event ? `${channel} ${epoch} ${offset}` : '';
    if (this.#keys.has(key)) return null;
    if (key) this.#keys.add(key);
    const place = {epoch, offset, time};
    return {key, place, state: place, sequence: id && `${channel} ${id}`, event, element: rowElement(channel, time, publication)};
  }

  /** Whether a row is to be put, instead of changing what is shown. @param {Row} row */
  #isNew(row) {
    const shown = this.#shown.get(row.sequence);
    const [older, newer] = shown && isLater(shown.state, row.state) ? [row, shown] : [shown, row];
    const kept = newer.event === 'message_clear' && older || newer;
    if (kept !== newer) {
      kept.element.toggleAttribute('data-read', true);
      fill(kept.element, 'offset', 'read');
    }
    if (shown && !shown.event && kept !== shown) {
      const {element, key, state, event} = kept;
      if (!event) {
        element.toggleAttribute('data-bar', shown.element.hasAttribute('data-bar'));
        shown.element.replaceWith(element);
        this.#keys.delete(shown.key);
        Object.assign(shown, {element, key, state});
        return false;
      }
      this.#rows = this.#rows.filter((other) => other !== shown);
      this.#forget([shown]);
    }
    if (row.sequence) this.#shown.set(row.sequence, kept);
    return kept === row && !row.event;
  }

  /** @param {Row[]} rows */
  #forget(rows) {
    for (const {element, key, sequence} of rows) {
      element.remove();
      this.#keys.delete(key);
      this.#shown.delete(sequence);
    }
  }

  /** @param {Place} place */
  #indexFor(place) {
    let index = this.#rows.length;
    while (index > 0 && isLater(/** @type {Row} */ (this.#rows[index - 1]).place, place)) index--;
    return index;
  }

  /** Its bar differs from its neighbour's, and never changes. @param {Row} row @param {number} index */
  #put(row, index) {
    const neighbour = this.#rows[index] ?? this.#rows[index - 1];
    row.element.toggleAttribute('data-bar', !neighbour?.element.hasAttribute('data-bar'));
    this.#log.list.insertBefore(row.element, this.#rows[index]?.element ?? null);
    this.#rows.splice(index, 0, row);
  }

  /** @param {number} most */
  #trim(most) {
    if (this.#rows.length <= most + AT_ONCE) return;
    const excess = this.#rows.splice(0, this.#rows.length - most);
    this.#forget(excess);
    if (this.#shown.size > 2 * MOST_READ) this.#shown.clear();
    if (this.#rows[0]) this.#onTrim(this.#rows[0].place);
  }
}

/** @param {Place} a @param {Place} b */
function isLater(a, b) {
  if (a.epoch === b.epoch && a.offset && b.offset) return a.offset > b.offset;
  return a.time > b.time;
}

/** @param {string} channel @param {number} time @param {import('./subscription.js').Publication} publication */
function rowElement(channel, time, {data, offset, info}) {
  const content = contentOf(data);
  const element = stamp('message');
  element.dataset.kind = content.kind;
  element.dataset.priority = String(content.priority);
  showTime(element, time);
  fill(element, 'channel', channel);
  fillSender(element, info);
  fill(element, 'offset', offset ? `offset ${offset}` : 'not stored');
  fill(element, 'title', content.title);
  fill(element, 'text', content.text);
  fillExtras(element, content);
  return element;
}

/**
 * Shows a notification's tags and link.
 * @param {HTMLElement} element
 * @param {import('./message.js').Content} content
 */
export function fillExtras(element, {tags, click}) {
  const list = findElement(element, '[data-part=tags]');
  list.hidden = tags.length === 0;
  list.replaceChildren(...tags.map((tag) => Object.assign(document.createElement('li'), {textContent: tag})));
  const link = /** @type {HTMLAnchorElement} */ (fill(element, 'click', click && new URL(click).host));
  if (click) link.href = click;
}
