/**
 * What devices have said lately. It knows nothing of the page.
 *
 * Values are numbers by what they are of. Sample is what one channel brings; History is what the
 * hub's side has kept, by columns.
 * @typedef {Record<string, number>} Values
 * @typedef {{run: string, n: number, time: number, values: Values}} Sample
 * @typedef {{run: string, first: number, times: number[], topics: Record<string, Record<string, (number | null)[]>>}} History
 */

const KEPT = 300; // samples, as in the hub

/**
 * Samples joins what came live with what was kept: each number of a run once, in order, so that
 * there is no hole between the two. A run is the hub's, from its start to its end.
 */
export class Samples {
  #run = '';
  #alone = false;
  /** @type {{run: string, n: number, time: number, topics: Record<string, Values>}[]} oldest first */
  #all = [];
  /** @type {[string, Sample][]} came before the run was known */
  #early = [];

  /** How many there are. */
  get count() {
    return this.#all.length;
  }

  /** The newest one's time; 0: there is none. */
  get newest() {
    return this.#all.at(-1)?.time ?? 0;
  }

  /** The oldest one's time; 0: there is none. */
  get oldest() {
    return this.#all[0]?.time ?? 0;
  }

  /** How many numbers of this run are missing between the first and the last. */
  get missing() {
    const run = this.#all.filter(({run}) => run === this.#run);
    return run.length === 0 ? 0 : (run.at(-1)?.n ?? 0) - (run[0]?.n ?? 0) + 1 - run.length;
  }

  /** Takes a live message, unless it is none: on an open hub anybody may publish. @param {string} topic @param {any} data */
  add(topic, data) {
    if (!isSample(data)) return;
    if (this.#alone) this.#run = data.run;
    if (this.#run === '') {
      if (this.#early.length < 4 * KEPT) this.#early.push([topic, data]);
    } else if (data.run === this.#run) {
      Object.assign(this.#at(data.n, data.time).topics, {[topic]: data.values});
    }
  }

  /** Takes what was kept, of the run that is now. @param {History} history */
  addHistory({run, first, times, topics}) {
    this.#run = run;
    this.#alone = false;
    times.forEach((time, i) => {
      const into = this.#at(first + i, time).topics;
      for (const [topic, columns] of Object.entries(topics)) into[topic] ??= row(columns, i);
    });
    this.#addEarly();
  }

  /** There is no history to be had: what comes live is all. */
  addNone() {
    this.#alone = true;
    this.#addEarly();
  }

  #addEarly() {
    for (const [topic, data] of this.#early.splice(0)) this.add(topic, data);
  }

  /** The sample of a number of this run. @param {number} n @param {number} time */
  #at(n, time) {
    let place = this.#all.length;
    while (place > 0 && this.#after(this.#all[place - 1], n)) place--;
    const before = this.#all[place - 1];
    if (before?.run === this.#run && before.n === n) return before;
    const sample = {run: this.#run, n, time, topics: /** @type {Record<string, Values>} */ ({})};
    this.#all.splice(place, 0, sample);
    this.#all.splice(0, this.#all.length - KEPT);
    return sample;
  }

  /** @param {{run: string, n: number} | undefined} sample @param {number} n */
  #after(sample, n) {
    return sample?.run === this.#run && sample.n > n;
  }

  /**
   * The times, and the values of a topic at each by their names. Where a number is missing, or
   * the hub was away, nothing is known.
   * @param {string} topic
   */
  columns(topic) {
    /** @type {Map<string, (number | null)[]>} */
    const columns = new Map();
    /** @type {number[]} */
    const times = [];
    this.#all.forEach((sample, i) => {
      const before = this.#all[i - 1];
      if (before && (before.run !== sample.run || before.n + 1 !== sample.n)) times.push(sample.time - 1);
      times.push(sample.time);
      for (const [name, value] of Object.entries(sample.topics[topic] ?? {})) {
        const column = columns.get(name) ?? [];
        columns.set(name, column);
        while (column.length < times.length - 1) column.push(null);
        column.push(value);
      }
    });
    for (const column of columns.values()) while (column.length < times.length) column.push(null);
    return {times, columns};
  }
}

/** @param {any} data */
function isSample(data) {
  const {run, n, time, values} = data ?? {};
  return typeof run === 'string' && Number.isSafeInteger(n) && n > 0 && Number.isFinite(time) && values !== null &&
    typeof values === 'object' && Object.values(values).every(Number.isFinite);
}

/** @param {Record<string, (number | null)[]>} columns @param {number} i */
function row(columns, i) {
  /** @type {Values} */
  const values = {};
  for (const [name, column] of Object.entries(columns)) {
    const value = column[i];
    if (value !== null && value !== undefined) values[name] = value;
  }
  return values;
}

const MACHINES = 6;

/** Loads is one number of each of some machines, which tell it whenever they like. */
export class Loads {
  /** @type {Map<string, Map<number, number>>} times to loads, by the machine */
  #machines = new Map();

  /** Takes a message; false: it is no load. The machine that was silent longest makes room. @param {string} channel @param {any} data @param {number} time */
  add(channel, data, time) {
    const machine = channel.split('.')[1] ?? '';
    const said = typeof data === 'object' && data !== null ? data.message : data;
    const load = typeof said === 'number' || (typeof said === 'string' && said.trim() !== '') ? Number(said) : NaN;
    if (!Number.isFinite(load)) return false;
    const points = this.#machines.get(machine) ?? new Map();
    this.#machines.delete(machine); // the last in the map is the one that spoke last
    this.#machines.set(machine, points.set(time, load));
    for (const old of points.size > KEPT ? [[...points.keys()].sort((a, b) => a - b)[0]] : []) points.delete(old);
    if (this.#machines.size > MACHINES) this.#machines.delete([...this.#machines.keys()][0] ?? '');
    return true;
  }

  /** All times, and each machine's load at each, null where it said nothing. */
  columns() {
    const times = [...new Set([...this.#machines.values()].flatMap((points) => [...points.keys()]))].sort((a, b) => a - b);
    const columns = new Map([...this.#machines].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, points]) => [name, times.map((time) => points.get(time) ?? null)]));
    return {times, columns};
  }
}
