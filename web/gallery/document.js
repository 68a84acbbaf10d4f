/**
 * A document that several write at once: objects by id, each with named fields. Everybody applies
 * the same operations in the same order, that of the channel which they are published in, so
 * everybody has the same document. documents.go does the same in the hub.
 *
 * An operation is one message:
 *
 *     {"by": "<replica>", "n": 1, "make": {"<id>": {"<field>": <value>}},
 *      "set": {"<id>": {"<field>": <value or null>}}, "drop": ["<id>"]}
 *
 * - Of changes to one field, the one that the hub took last wins. A field set to null goes.
 * - A dropped object stays dropped: setting fields of one that is not there does nothing. Making
 *   one that is there does nothing.
 * - Each part may be left out. They apply in this order: make, set, drop.
 * - n counts the operations of a replica. One that is not above the last seen is a repetition, and
 *   does nothing: to send an operation twice is harmless. The last 500 replicas are remembered.
 * - An operation that would make the document grow beyond its bounds does nothing.
 * - What is malformed does nothing and is not counted. Names (of replicas, objects and fields, also
 *   within values) are 1 to 32 letters, digits, - and _, a letter first; of replicas up to 22. Values are
 *   JSON, up to 8 levels deep; half a character (a lone surrogate) in a text becomes U+FFFD.
 * - What was not stored is not part of the document.
 *
 * A server's message {"snapshot": {"objects": {...}, "seen": [["<replica>", n], ...]}} takes the place of
 * everything before it.
 *
 * @typedef {Readonly<Record<string, any>>} Fields frozen, without a prototype; no value is null
 * @typedef {{make?: Record<string, Record<string, any>>, set?: Record<string, Record<string, any>>, drop?: string[]}} Change
 * @typedef {Change & {by: string, n: number}} Operation as published
 *
 * Parts is a change that was checked.
 * @typedef {{make: Map<string, Fields>, set: Map<string, Fields>, drop: Set<string>}} Parts
 *
 * Effect is what a message did: which objects it touched, whose operation it was, whether the
 * document was too full for it.
 * @typedef {{ids: Iterable<string>, by: string, n: number, full: boolean}} Effect
 */

/** Bounds of a document. Bytes are those of its JSON, see sizeOf: a snapshot must fit into one message. */
export const MOST_OBJECTS = 2_000;
export const MOST_BYTES = 112 * 1024;
const MOST_SEEN = 500;
const DEEPEST = 8; // levels within a value

const NAME = /^[A-Za-z][A-Za-z0-9_-]{0,31}$/;
const REPLICA = /^[A-Za-z][A-Za-z0-9_-]{0,21}$/;
const HALF = /\p{Surrogate}/u; // of a character: no other program could take it over
const HALVES = /\p{Surrogate}/gu;

/** Document is the state that a sequence of messages leads to. */
export class Document {
  /** @type {Map<string, Fields>} in no order that means anything */
  objects = new Map();
  /** @type {Map<string, number>} the last n of each replica, in the order of their last operations */
  seen = new Map();
  bytes = 0;

  /**
   * Applies a message.
   * @param {unknown} data which is frozen as far as it is kept
   * @param {boolean} [server] whether a server has published it: a client can't replace everything
   * @returns {Effect | null} null: it did nothing and was not counted
   */
  apply(data, server = false) {
    if (!isObject(data)) return null;
    if (Object.hasOwn(data, 'snapshot')) return server ? this.#restore(data.snapshot) : null;
    const {by, n} = data;
    const parts = partsOf(data);
    if (!parts || typeof by !== 'string' || !REPLICA.test(by) || !isCount(n)) return null;
    if (n <= (this.seen.get(by) ?? 0)) return null;
    this.#see(by, n);
    return {ids: touched(parts), by, n, full: !this.#change(parts)};
  }

  /** The message that takes the place of all that came before. */
  get snapshot() {
    return {snapshot: {objects: Object.fromEntries(this.objects), seen: [...this.seen]}};
  }

  /** @param {string} by @param {number} n */
  #see(by, n) {
    this.seen.delete(by);
    this.seen.set(by, n);
    for (const [oldest] of this.seen) {
      if (this.seen.size <= MOST_SEEN) break;
      this.seen.delete(oldest);
    }
  }

  /** @param {Parts} parts @returns {boolean} false: there is no room */
  #change(parts) {
    const after = new Map([...touched(parts)].map((id) => [id, step(this.objects.get(id), id, parts)]));
    if (!fits(this.objects, this.bytes, after)) return false;
    for (const [id, fields] of after) {
      this.bytes += sizeOfObject(id, fields) - sizeOfObject(id, this.objects.get(id));
      if (fields) this.objects.set(id, fields);
      else this.objects.delete(id);
    }
    return true;
  }

  /** @param {any} snapshot @returns {Effect | null} */
  #restore(snapshot) {
    const objects = isObject(snapshot) && objectsOf(snapshot.objects);
    const seen = isObject(snapshot) && seenOf(snapshot.seen);
    if (!objects || !seen || objects.size > MOST_OBJECTS) return null;
    for (const [id, fields] of objects) objects.set(id, withoutNull(fields));
    const bytes = [...objects].reduce((sum, [id, fields]) => sum + sizeOfObject(id, fields), 0);
    if (bytes > MOST_BYTES) return null;
    const ids = new Set([...this.objects.keys(), ...objects.keys()]);
    Object.assign(this, {objects, seen, bytes});
    return {ids, by: '', n: 0, full: false};
  }
}

/**
 * Whether a document has room for what some of its objects become; what does not grow always has.
 * @param {ReadonlyMap<string, Fields>} objects
 * @param {number} bytes of the objects
 * @param {Map<string, Fields | undefined>} after by ids
 */
export function fits(objects, bytes, after) {
  let [count, grown] = [0, 0];
  for (const [id, fields] of after) {
    const before = objects.get(id);
    count += Number(Boolean(fields)) - Number(Boolean(before));
    grown += sizeOfObject(id, fields) - sizeOfObject(id, before);
  }
  return (count <= 0 || objects.size + count <= MOST_OBJECTS) && (grown <= 0 || bytes + grown <= MOST_BYTES);
}

/** What a change makes of an object. @param {Fields | undefined} fields @param {string} id @param {Parts} parts @returns {Fields | undefined} */
export function step(fields, id, {make, set, drop}) {
  const made = make.get(id);
  if (!fields && made) fields = withoutNull(made);
  const changed = set.get(id);
  if (fields && changed) fields = withoutNull({...fields, ...changed});
  return drop.has(id) ? undefined : fields;
}

/** Checks a change. @param {any} data @returns {Parts | null} null: it is malformed */
export function partsOf({make = {}, set = {}, drop = []}) {
  const [made, changed] = [objectsOf(make), objectsOf(set)];
  if (!made || !changed || !Array.isArray(drop) || !drop.every(isName)) return null;
  return {make: made, set: changed, drop: new Set(drop)};
}

/** The ids of all objects that a change is about. @param {Parts} parts */
export function touched({make, set, drop}) {
  return new Set([...make.keys(), ...set.keys(), ...drop]);
}

/** Whether two values are equal. @param {any} a @param {any} b @returns {boolean} */
export function same(a, b) {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || !a || !b || Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && same(a[key], b[key]));
}

/** @param {unknown} objects @returns {Map<string, Fields> | null} */
function objectsOf(objects) {
  if (!isObject(objects)) return null;
  const entries = Object.entries(objects);
  const valid = entries.every(([id, fields]) => isName(id) && isObject(fields) && isValue(fields, 0));
  return valid ? new Map(entries) : null;
}

/** @param {unknown} seen @returns {Map<string, number> | null} */
function seenOf(seen) {
  if (!Array.isArray(seen) || seen.length > MOST_SEEN) return null;
  const valid = seen.every((pair) => Array.isArray(pair) && pair.length === 2 &&
    typeof pair[0] === 'string' && REPLICA.test(pair[0]) && isCount(pair[1]));
  const known = valid ? new Map(seen) : null;
  return known?.size === seen.length ? known : null;
}

/** Copies fields, without those that are null. @param {Fields} fields @returns {Fields} */
function withoutNull(fields) {
  const kept = Object.create(null);
  for (const [name, value] of Object.entries(fields)) if (value !== null) kept[name] = value;
  return Object.freeze(kept);
}

/** Checks a value, and freezes it. @param {any} value @param {number} depth @returns {boolean} */
function isValue(value, depth) {
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value !== 'object') return typeof value === 'boolean' || typeof value === 'string';
  if (value === null) return true;
  if (depth > DEEPEST) return false;
  const named = !Array.isArray(value);
  for (const [name, item] of Object.entries(value)) {
    if (named && !isName(name) || !isValue(item, depth + 1)) return false;
    if (typeof item === 'string' && HALF.test(item)) value[name] = item.replaceAll(HALVES, '\ufffd');
  }
  Object.freeze(value);
  return true;
}

/** @param {string} id @param {Fields | undefined} fields */
export function sizeOfObject(id, fields) {
  return fields ? id.length + 4 + sizeOf(fields) : 0;
}

/**
 * How many bytes a checked value takes as JSON, at most and everywhere alike.
 * @param {any} value
 * @returns {number}
 */
function sizeOf(value) {
  if (typeof value === 'string') return sizeOfText(value);
  if (typeof value !== 'object' || value === null) return String(value).length;
  if (Array.isArray(value)) return value.reduce((sum, item) => sum + sizeOf(item) + 1, 2);
  return Object.entries(value).reduce((sum, [name, item]) => sum + name.length + 4 + sizeOf(item), 2);
}

/** @param {string} text */
function sizeOfText(text) {
  if (/^[ !#-[\]-~]*$/.test(text)) return text.length + 2;
  let bytes = 2;
  for (const character of text) bytes += sizeOfCharacter(character.codePointAt(0) ?? 0);
  return bytes;
}

/** @param {number} code */
function sizeOfCharacter(code) {
  if (code < 0x20 || code === 0x2028 || code === 0x2029) return 6; // \u000a
  if (code === 0x22 || code === 0x5c) return 2; // \" and \\
  if (code < 0x80) return 1;
  if (code < 0x800) return 2;
  return code < 0x10000 ? 3 : 4;
}

/** @param {unknown} value @returns {value is Record<string, any>} */
const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

/** @param {unknown} value */
const isName = (value) => typeof value === 'string' && NAME.test(value);

/** @param {unknown} value @returns {value is number} */
const isCount = (value) => Number.isSafeInteger(value) && Number(value) > 0;
