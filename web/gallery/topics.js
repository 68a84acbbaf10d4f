/**
 * What is known of many topics: a bounded picture of channels as a tree. It knows nothing of the page.
 *
 * Topic is a channel that something was published to. recent are its last messages, oldest first;
 * numbers those of them that are numbers, for a curve.
 * @typedef {{channel: string, text: string, time: number, count: number, recent: Message[], numbers: number[]}} Topic
 * @typedef {{text: string, time: number, offset: number}} Message
 *
 * Node is a row of the tree: a token of a channel's name, with what is below it. topic is null where
 * nothing was published to that name itself; open is null if nothing is below.
 * @typedef {{key: string, label: string, level: number, topic: Topic | null, below: number, open: boolean | null}} Node
 */

const MOST_TOPICS = 500; // of more, those that were silent for longest are dropped
const MOST_RECENT = 20;
const MOST_NUMBERS = 40;
const LONGEST = 500; // characters of a message that are kept
const FADE = 5_000; // ms in which a rate forgets two thirds of what it was

export class Topics {
  /** How many were dropped. */
  dropped = 0;
  /** @type {Map<string, Topic>} by channel, the longest silent first */
  #topics = new Map();
  /** @type {Map<string, number>} messages a second, as of each topic's last one */
  #rates = new Map();
  /** @type {Set<string>} keys of nodes whose children are hidden */
  #closed = new Set();
  /** What rows has answered last; none is to be answered again once the tree has another shape. */
  #shape = {filter: '', rows: /** @type {Node[] | null} */ (null)};
  #most;

  /** @param {number} [most] topics to keep */
  constructor(most = MOST_TOPICS) {
    this.#most = most;
  }

  get size() {
    return this.#topics.size;
  }

  /** @param {string} channel */
  get(channel) {
    return this.#topics.get(channel);
  }

  /**
   * Takes a message, later than all before it in its channel.
   * @param {string} channel
   * @param {string} text
   * @param {number} time in ms since 1970
   * @param {number} [offset] 0: not stored
   */
  take(channel, text, time, offset = 0) {
    const topic = this.#topics.get(channel) ?? this.#add(channel);
    const since = Math.max(0, time - topic.time);
    this.#rates.set(channel, (this.#rates.get(channel) ?? 0) * Math.exp(-since / FADE) + 1_000 / FADE);
    topic.text = text.slice(0, LONGEST);
    topic.time = time;
    topic.count++;
    push(topic.recent, {text: topic.text, time, offset}, MOST_RECENT);
    const number = numberIn(text);
    if (number !== null) push(topic.numbers, number, MOST_NUMBERS);
    this.#topics.delete(channel);
    this.#topics.set(channel, topic); // behind all others
    this.#drop();
    return topic;
  }

  /** Forgets the channels that begin so: there are other messages in their place. @param {string} beginning */
  forget(beginning) {
    this.#shape.rows = null;
    for (const channel of this.#topics.keys()) {
      if (!channel.startsWith(beginning)) continue;
      this.#topics.delete(channel);
      this.#rates.delete(channel);
    }
  }

  /** Messages a second, lately. @param {Topic} topic @param {number} now */
  rate({channel, time}, now) {
    return (this.#rates.get(channel) ?? 0) * Math.exp(-Math.max(0, now - time) / FADE);
  }

  /** Shows or hides what is below a node. @param {string} key */
  toggle(key) {
    this.#shape.rows = null;
    if (!this.#closed.delete(key)) this.#closed.add(key);
  }

  /** @param {string} channel @returns {Topic} */
  #add(channel) {
    this.#shape.rows = null;
    return {channel, text: '', time: 0, count: 0, recent: [], numbers: []};
  }

  /**
   * The tree as rows, in order: the same array as long as only messages have come. A filter leaves
   * the topics whose channel has it in it, all open.
   * @param {string} [filter]
   */
  rows(filter = '') {
    if (!this.#shape.rows || this.#shape.filter !== filter) this.#shape = {filter, rows: this.#build(filter)};
    return this.#shape.rows ?? [];
  }

  /** @param {string} filter @returns {Node[]} */
  #build(filter) {
    const wanted = filter.trim().toLowerCase();
    const channels = [...this.#topics.keys()].filter((channel) => channel.toLowerCase().includes(wanted));
    /** @type {Map<string, Node>} */
    const nodes = new Map();
    for (const channel of channels.sort(byTokens)) this.#addNodes(nodes, channel);
    for (const node of nodes.values()) if (node.below > 0) node.open = wanted !== '' || !this.#closed.has(node.key);
    return [...nodes.values()].filter(({key}) => ancestors(key).every((above) => nodes.get(above)?.open));
  }

  /** @param {Map<string, Node>} nodes @param {string} channel */
  #addNodes(nodes, channel) {
    for (const key of [...ancestors(channel), channel]) {
      const node = nodes.get(key) ?? {
        key, label: key.slice(key.lastIndexOf('.') + 1), level: key.split('.').length, topic: this.#topics.get(key) ?? null, below: 0, open: null,
      };
      nodes.set(key, node);
      if (key !== channel) node.below++;
    }
  }

  #drop() {
    for (const channel of this.#topics.keys()) {
      if (this.#topics.size <= this.#most) return;
      this.#topics.delete(channel);
      this.#rates.delete(channel);
      this.#shape.rows = null;
      this.dropped++;
      if (this.#closed.size > this.#most) this.#closed.clear();
    }
  }
}

/** @template T @param {T[]} list @param {T} item @param {number} most */
function push(list, item, most) {
  list.push(item);
  if (list.length > most) list.shift();
}

/** The keys above a channel, the topmost first. @param {string} channel */
function ancestors(channel) {
  const tokens = channel.split('.');
  return tokens.slice(1).map((_, i) => tokens.slice(0, i + 1).join('.'));
}

const collator = new Intl.Collator(undefined, {numeric: true});

/** Orders channels so that what is below a token follows it. @param {string} a @param {string} b */
function byTokens(a, b) {
  const [left, right] = [a.split('.'), b.split('.')];
  const differs = left.findIndex((token, i) => token !== right[i]);
  if (differs < 0) return left.length - right.length;
  const [x, y] = [left[differs] ?? '', right[differs]];
  return y === undefined ? 1 : collator.compare(x, y) || (x < y ? -1 : 1);
}

/** The number that a message is, such as 21.5 or "21.5 °C"; null if it is none. @param {string} text */
export function numberIn(text) {
  const match = /^\s*([+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)\s*[\p{L}%°/]{0,4}\s*$/u.exec(text);
  const number = match ? Number(match[1]) : NaN;
  return Number.isFinite(number) ? number : null;
}

/**
 * The points of a curve, for an SVG polyline that fills a box; '' for fewer than two numbers.
 * @param {number[]} numbers
 * @param {number} width
 * @param {number} height
 */
export function curve(numbers, width, height) {
  if (numbers.length < 2) return '';
  const [least, most] = [Math.min(...numbers), Math.max(...numbers)];
  const x = (/** @type {number} */ i) => (i * width) / (numbers.length - 1);
  const y = (/** @type {number} */ n) => (most === least ? height / 2 : height - ((n - least) * height) / (most - least));
  return numbers.map((n, i) => `${x(i).toFixed(1)},${y(n).toFixed(1)}`).join(' ');
}

/** How long ago something was, in a word. @param {number} ms */
export function age(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}
