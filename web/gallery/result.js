import {find, findElement, stamp} from '../dom.js';
import {isFinal, titleOf} from './assembly.js';
import {Chart} from './chart.js';
import {bytes, plain, rangeFromZero} from './scale.js';

/**
 * @typedef {import('./assembly.js').Assembly} Assembly
 * Page: whether an analysis is chosen, whether the hub has lost it, whether there is a connection.
 * @typedef {{chosen: boolean, gone: boolean, connected: boolean}} Page
 */

const THRESHOLD = 0.592746; // of an endless lattice, as others have measured
const WORDS = {waiting: 'Waits for its turn', working: 'At work', done: 'Done', cancelled: 'Cancelled', failed: 'Failed'};

/** Result shows an analysis, as far as it has come. */
export class Result {
  #root;
  #mean;
  #histogram;
  #growth;
  #drawn = ''; // the lattice that is on the canvas

  /** @param {HTMLElement} root */
  constructor(root) {
    this.#root = root;
    const chart = (/** @type {string} */ name) => findElement(root, `[data-chart=${name}]`);
    const share = (/** @type {number} */ y) => y.toFixed(4);
    this.#mean = new Chart(chart('mean'), {kind: 'log', format: share, axis: (y) => y.toFixed(3), formatX: (n) => `after ${plain(n)} runs`});
    this.#histogram = new Chart(chart('histogram'), {kind: 'number', formatX: (x) => `around ${x.toFixed(4)}`});
    this.#growth = new Chart(chart('growth'), {kind: 'number', formatX: (n) => `in ${plain(n)} words`});
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
      const lattice = this.#drawn;
      this.#drawn = '';
      this.#showLattice(lattice);
    });
  }

  /** @param {Assembly} a @param {Page} page */
  show(a, page) {
    const {chosen, gone} = page;
    this.#root.setAttribute('data-kind', a.job?.kind ?? '');
    this.#root.setAttribute('data-state', !chosen ? '' : gone ? 'failed' : a.state);
    this.#text('title', !chosen ? 'Nothing is chosen' : a.job ? titleOf(a.job) : gone ? 'Not here any more' : 'Analysis');
    this.#text('state', stateOf(a, page));
    find(this.#root, 'progress', HTMLProgressElement).value = a.progress;
    if (a.job?.kind === 'words') this.#showWords(a);
    else this.#showPercolation(a);
  }

  /** @param {string} part @param {string} text */
  #text(part, text) {
    const element = findElement(this.#root, `[data-part=${part}]`);
    if (element.textContent !== text) element.textContent = text;
  }

  /** @param {Assembly} a */
  #showPercolation(a) {
    const {mean, half, runs, deviation} = a.latest;
    this.#text('mean', mean === undefined ? '–' : mean.toFixed(5));
    this.#text('half', half === undefined ? '–' : `± ${half.toFixed(5)}`);
    this.#text('deviation', deviation === undefined ? '–' : deviation.toFixed(4));
    this.#text('runs', runs === undefined ? '–' : `${plain(runs)} of ${plain(a.job?.runs ?? runs)}`);
    this.#text('seed', String(a.job?.seed ?? '–'));
    this.#showMean(a);
    this.#showHistogram(a);
    this.#showLattice(a.lattice);
  }

  /** @param {Assembly} a */
  #showMean({points, latest, job}) {
    const all = [...points];
    const last = all.at(-1);
    if (last && latest.runs && latest.runs > Number(last[0])) all.push([latest.runs, latest.mean ?? 0, latest.half ?? 0]);
    const means = all.map((point) => point[1] ?? 0);
    const low = all.map((point) => (point[1] ?? 0) - (point[2] ?? 0));
    const high = all.map((point) => (point[1] ?? 0) + (point[2] ?? 0));
    const margin = 0.1 * Math.max(0.002, Math.max(...high) - Math.min(...low));
    const range = all.length === 0 ? [0.55, 0.65] : [Math.min(THRESHOLD, ...low) - margin, Math.max(THRESHOLD, ...high) + margin];
    this.#mean.show({
      xs: all.map((point) => point[0] ?? 1), x: [5, Math.max(10, job?.runs ?? 1000)], y: /** @type {[number, number]} */ (range),
      series: [
        {name: 'mean', colour: 1, ys: means},
        {name: '95 % band', colour: 1, kind: 'none', ys: low, say: (i) => `${low[i]?.toFixed(4)} to ${high[i]?.toFixed(4)}`},
      ],
      bands: [{colour: 1, low, high}],
      marks: [{y: THRESHOLD, name: `endless lattice ${THRESHOLD.toFixed(4)}`}],
    });
  }

  /** @param {Assembly} a */
  #showHistogram({bins, job}) {
    const {from = 0.55, to = 0.65, bins: count = 48} = job ?? {};
    const width = (to - from) / count;
    const ys = Array.from({length: count}, (_, i) => bins[i] ?? 0);
    const middle = (/** @type {number} */ i) => from + (i + 0.5) * width;
    const total = plain(ys.reduce((sum, y) => sum + y, 0));
    const most = ys.indexOf(Math.max(...ys));
    this.#histogram.show({
      xs: ys.map((_, i) => middle(i)), x: [from, to], y: rangeFromZero(ys, 5),
      series: [{name: 'observations', colour: 2, kind: 'bars', ys, total}],
      rest: ys[most] ? `most of them around ${middle(most).toFixed(4)}` : 'no values yet',
      summary: `${total} observations between ${from.toFixed(3)} and ${to.toFixed(3)}, most of them around ${middle(most).toFixed(3)}`,
    });
  }

  /** @param {string} lattice */
  #showLattice(lattice) {
    if (lattice === this.#drawn) return;
    this.#drawn = lattice;
    const canvas = find(this.#root, '.lattice', HTMLCanvasElement);
    const sites = decode(lattice);
    const side = Math.sqrt(sites.length);
    const pen = canvas.getContext('2d');
    if (!pen || !Number.isInteger(side)) return;
    const colour = (/** @type {string} */ name) => getComputedStyle(canvas).getPropertyValue(name);
    canvas.width = canvas.height = Math.max(1, side);
    pen.fillStyle = colour('--chart-1');
    sites.forEach((site, i) => {
      pen.globalAlpha = [0, 0.28, 1][site] ?? 0;
      pen.fillRect(i % side, Math.floor(i / side), 1, 1);
    });
    const open = sites.filter((site) => site > 0).length;
    canvas.ariaLabel = side === 0 ? 'The first lattice: not known yet' : `The first lattice: ${plain(open)} of ${plain(sites.length)} sites are open, ` +
      `${((100 * open) / sites.length).toFixed(1)} %; ${plain(sites.filter((site) => site === 2).length)} of them connect top and bottom`;
  }

  /** @param {Assembly} a */
  #showWords({latest, points, job}) {
    const {words = 0, different = 0, unlisted = 0, read = 0, top = []} = latest;
    this.#text('words', plain(words));
    this.#text('different', unlisted > 0 ? `more than ${plain(different)}` : plain(different));
    this.#text('read', `${bytes(read)} of ${bytes(job?.bytes ?? read)}`);
    this.#showTop(top);
    const at = points.map((point) => point[0] ?? 0);
    const ys = points.map((point) => point[1] ?? 0);
    this.#growth.show({
      xs: at, x: [0, Math.max(10, at.at(-1) ?? 0)], y: rangeFromZero(ys, 10),
      series: [{name: 'different words', colour: 4, kind: 'area', ys}],
    });
  }

  /** @param {[string, number][]} top */
  #showTop(top) {
    const body = find(this.#root, 'tbody', HTMLTableSectionElement);
    while (body.rows.length > top.length) body.deleteRow(-1);
    top.forEach(([word, times], i) => {
      const row = body.rows[i] ?? body.appendChild(find(stamp('word'), 'tr', HTMLTableRowElement));
      findElement(row, '[data-part=word]').textContent = word;
      findElement(row, '[data-part=times]').textContent = plain(times);
      const meter = find(row, 'meter', HTMLMeterElement);
      meter.value = times / (top[0]?.[1] || 1);
      meter.ariaLabel = word;
    });
  }
}

/** @param {Assembly} a @param {Page} page */
function stateOf({state, reason, progress, incomplete, parts}, {chosen, gone, connected}) {
  if (!chosen) return 'Start an analysis, or choose one of the list.';
  if (gone && !isFinal(state)) return 'The hub knows nothing of it any more: it was more than an hour ago, or the hub was started again without its data.';
  if (parts === 0) return connected ? 'What was kept is being read' : 'Not connected';
  const lost = incomplete ? '. Some of its parts are not kept any more, so this is not all of it' : '';
  const away = connected || isFinal(state) ? '' : '. Not connected: what is missed comes later';
  return `${WORDS[state]}${reason && `: ${reason}`} · ${Math.floor(100 * progress)} %${lost}${away}`;
}

/** The sites of a lattice, two bits each, the lowest first. @param {string} base64 */
function decode(base64) {
  try {
    return [...atob(base64)].flatMap((four) => [0, 2, 4, 6].map((shift) => (four.charCodeAt(0) >> shift) & 3));
  } catch {
    return [];
  }
}
