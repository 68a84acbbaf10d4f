/**
 * Content is what to show of a message's data. A notification is an object with a text
 * "message"; other fields of it are used as far as they have the right type.
 * @typedef {{kind: 'text' | 'notification' | 'json', text: string, title: string,
 *   priority: number, tags: string[], click: string}} Content
 */

const DEFAULT_PRIORITY = 3; // of 1 to 5
const LONGEST_NAME = 40;

/** @param {unknown} data @returns {Content} */
export function contentOf(data) {
  const plain = {title: '', priority: DEFAULT_PRIORITY, tags: [], click: ''};
  if (typeof data === 'string') return {...plain, kind: 'text', text: data};
  if (isNotification(data)) return notification(data);
  return {...plain, kind: 'json', text: JSON.stringify(data) ?? ''};
}

/** @param {unknown} data @returns {data is Record<string, unknown> & {message: string}} */
function isNotification(data) {
  return typeof data === 'object' && data !== null && 'message' in data && typeof data.message === 'string';
}

/** @param {Record<string, unknown> & {message: string}} data @returns {Content} */
function notification({message, title, priority, tags, click}) {
  return {
    kind: 'notification',
    text: message,
    title: typeof title === 'string' ? title : '',
    priority: [1, 2, 3, 4, 5].find((known) => known === priority) ?? DEFAULT_PRIORITY,
    tags: Array.isArray(tags) ? tags.filter((tag) => typeof tag === 'string') : [],
    click: webLink(click),
  };
}

/**
 * The address if it is one of the web; '' if following it could run something.
 * @param {unknown} address
 */
function webLink(address) {
  if (typeof address !== 'string' || !/^https?:\/\//i.test(address)) return '';
  return URL.canParse(address) ? address : '';
}

/**
 * What a message is a state of: its sequence id, or its own, which later ones name; '' if it has
 * neither. event says what happened to that instead.
 * @param {unknown} data
 * @param {import('./subscription.js').Position} position
 * @returns {{id: string, event: string}}
 */
export function sequenceOf(data, {epoch, offset}) {
  const {event = '', message, sequence_id: id} = Object(data);
  if (id && typeof id === 'string') return {id, event: message === undefined && /^message_(delete|clear)$/.test(event) ? event : ''};
  let digits = '';
  for (let n = offset; n > 0 || digits.length < 7; n = Math.floor(n / 62)) digits = digit(n % 62) + digits;
  return {id: offset ? epoch + digits : '', event: ''};
}

/** Whether a message says that another was deleted or read. @param {unknown} data */
export function isEvent(data) {
  return sequenceOf(data, {epoch: '', offset: 0}).event !== '';
}

/**
 * A name for a message, or for what it is a state of, that every tab gives it.
 * @param {string} channel
 * @param {string} epoch
 * @param {import('./subscription.js').Publication} publication
 */
export function tagOf(channel, epoch, {data, offset = 0, time = 0}) {
  const {id} = sequenceOf(data, {epoch, offset});
  return `${channel} ${id || `${time} ${contentOf(data).text.slice(0, 100)}`}`;
}

const digit = (/** @type {number} */ n) => String.fromCharCode(n + (n < 10 ? 48 : n < 36 ? 55 : 61));

/**
 * Who published a message: the user that the hub knows, with the name in their token if it has
 * one; else what the client calls itself.
 * @param {import('./subscription.js').ClientInfo | undefined} info
 */
export function senderOf(info) {
  if (!info) return 'server';
  if (!info.user) return nameOf(info) || 'anonymous';
  const name = nameOf({client: '', conn_info: info.conn_info});
  return name && !info.user.startsWith(name) ? `${name} (${info.user})` : info.user;
}

/**
 * The name that a client gave itself, '' if none.
 * @param {import('./subscription.js').ClientInfo} info
 */
export function nameOf({chan_info, conn_info}) {
  const names = [chan_info?.name, conn_info?.name];
  return names.find((name) => typeof name === 'string' && name.trim() !== '')?.slice(0, LONGEST_NAME) ?? '';
}

/**
 * The data that a line of input means: JSON if it is an object or an array, else the text itself.
 * @param {string} input
 */
export function dataOf(input) {
  if (!/^\s*[[{]/.test(input)) return input;
  try {
    return JSON.parse(input);
  } catch {
    return input;
  }
}

/** @param {number} count */
export function missed(count) {
  return `${count} missed ${count === 1 ? 'message' : 'messages'}`;
}
