/**
 * An analysis put together from its parts: those that were kept and those that come. It knows
 * nothing of the page.
 *
 * @typedef {{id: string, kind: 'percolation' | 'words', started: number, size?: number, runs?: number, seed?: number,
 *   name?: string, bytes?: number, from?: number, to?: number, bins?: number}} Job
 * @typedef {'waiting' | 'working' | 'done' | 'cancelled' | 'failed'} State
 * @typedef {{part: number, state: State, progress?: number, reason?: string, job?: Job, points?: number[][], bins?: [number, number][],
 *   lattice?: string, runs?: number, mean?: number, half?: number, deviation?: number, read?: number, words?: number,
 *   different?: number, unlisted?: number, top?: [string, number][]}} Part
 */

/** @type {State[]} */
const STATES = ['waiting', 'working', 'done', 'cancelled', 'failed'];

const MOST_BINS = 10_000;
const LATEST_TIME = 8.64e15; // ms, that a Date can have

/** @param {unknown} value @returns {value is number} */
const isNumber = (value) => Number.isFinite(value);
/** @param {unknown} value @param {(item: any) => boolean} each */
const isList = (value, each) => Array.isArray(value) && value.every(each);

/** What a job or part may have; on an open hub anybody may publish anything. @type {Record<string, (value: any) => boolean>} */
const FIELDS = {
  id: (id) => typeof id === 'string' && /^[a-z0-9]{1,40}$/.test(id),
  kind: (kind) => kind === 'percolation' || kind === 'words',
  started: (time) => isNumber(time) && Math.abs(time) <= LATEST_TIME,
  state: (state) => STATES.includes(state),
  part: (part) => Number.isSafeInteger(part),
  job: (job) => isJob(job),
  points: (points) => isList(points, (point) => isList(point, isNumber)),
  bins: (bins) => isNumber(bins) || isList(bins, (bin) => isList(bin, Number.isSafeInteger) && bin[0] >= 0 && bin[0] < MOST_BINS),
  top: (top) => isList(top, (row) => Array.isArray(row) && typeof row[0] === 'string' && isNumber(row[1])),
};
const TEXTS = ['name', 'reason', 'lattice'];

/** Whether it is an object with these fields, and all that it has are of their kind. @param {any} value @param {string[]} required */
function isMadeOf(value, required) {
  if (typeof value !== 'object' || !required.every((name) => (value?.[name] ?? null) !== null)) return false;
  return Object.entries(value).every(([name, field]) =>
    field === null || (TEXTS.includes(name) ? typeof field === 'string' : (FIELDS[name] ?? isNumber)(field)));
}

/** @param {any} value @returns {value is Job} */
const isJob = (value) => isMadeOf(value, ['id', 'kind', 'started']);

/** Whether it is a job in the list, with its state. @param {any} value @returns {value is Job & {state: State}} */
export const isEntry = (value) => isMadeOf(value, ['id', 'kind', 'started', 'state']);

/** Whether nothing more comes. @param {State} state */
export const isFinal = (state) => STATES.indexOf(state) > 1;

/** Assembly takes parts in any order, each once, and counts them in their own. */
export class Assembly {
  /** @type {Job | null} */
  job = null;
  /** @type {State} */
  state = 'waiting';
  progress = 0;
  reason = '';
  /** Whether a part is missing that will not come any more. */
  incomplete = false;
  /** @type {number[][]} */
  points = [];
  /** @type {number[]} how many observations fell into each bin */
  bins = [];
  /** Of the first observation, two bits a site, in base64. */
  lattice = '';
  /** @type {Part} the newest of the numbers that replace each other */
  latest = {part: -1, state: 'waiting'};
  #next = 0;
  /** @type {Map<number, Part>} came early */
  #early = new Map();

  /** How many parts it is made of. */
  get parts() {
    return this.#next;
  }

  /** Takes a part, unless it is none. @param {any} part */
  add(part) {
    if (!isMadeOf(part, ['part', 'state']) || part.part < this.#next) return;
    this.#early.set(part.part, part);
    if (this.#early.size > 2000) this.#early.clear(); // more than are ever kept: nonsense
    this.#count();
  }

  /** All that was kept has been added: what is missing below what is there is lost. */
  settle() {
    while (this.#early.size > 0) {
      this.incomplete = true;
      this.#next = Math.min(...this.#early.keys());
      this.#count();
    }
  }

  #count() {
    for (let part = this.#early.get(this.#next); part; part = this.#early.get(this.#next)) {
      this.#early.delete(this.#next++);
      this.#merge(part);
    }
  }

  /** @param {Part} part */
  #merge(part) {
    if (isFinal(this.state)) return;
    this.job ??= part.job ?? null;
    this.state = part.state;
    this.reason = part.reason ?? '';
    this.progress = Math.max(this.progress, Math.min(1, Number(part.progress) || 0));
    this.lattice ||= part.lattice ?? '';
    this.points.push(...(part.points ?? []));
    for (const [bin, count] of part.bins ?? []) this.bins[bin] = (this.bins[bin] ?? 0) + count;
    this.latest = {...this.latest, ...part};
  }
}

const sites = new Intl.NumberFormat('en');

/** What an analysis is called. @param {Partial<Job>} job */
export function titleOf({kind, size, runs, name}) {
  return kind === 'words' ? `Words of ${name}` : `Percolation, ${size} × ${size}, ${sites.format(runs ?? 0)} runs`;
}

const PIECE = 16_384; // UTF-16 units, which are 48 KiB of UTF-8 at most

/** Cuts a text into pieces that the hub takes, none within a character. @param {string} text @returns {Generator<string>} */
export function* cut(text) {
  for (let start = 0; start < text.length; ) {
    let end = Math.min(text.length, start + PIECE);
    const last = text.charCodeAt(end - 1);
    if (end < text.length && last >= 0xd800 && last < 0xdc00) end--;
    yield text.slice(start, end);
    start = end;
  }
}
