import {copies, find, findElement, messageOf, stamp} from '../dom.js';
import {Page, reasonOf} from '../page.js';
import {Chart} from './chart.js';
import {Loads, Samples} from './samples.js';
import {byteRate, bytes, percent, plain, rangeFromZero} from './scale.js';

const WINDOW = 5 * 60_000; // ms that a chart shows, once there is so much
const LEAST = 60_000; // ms that it shows before
const MAX_CORES = 8; // lines
const MAX_INTERFACES = 3; // two lines each
const HISTORY = 200; // messages of your machines

const page = new Page('gallery.devices.>');
const root = findElement(document, '#devices');
const section = (/** @type {string} */ id) => findElement(root, `#${id}`);

// The four channels come by one subscription. Their samples are joined with those that the hub's
// side has kept: each time that messages begin to flow, so that a lost connection leaves no hole.
const samples = new Samples();
page.hub.subscribe('gallery.devices.*')
  .on('message', ({channel, data}) => {
    samples.add(channel?.split('.').at(-1) ?? '', data);
    changed();
  })
  .on('subscribed', fetchRecent)
  .on('ended', (error) => say('alert', `Not subscribed: ${messageOf(error)}`));

async function fetchRecent() {
  try {
    samples.addHistory(await page.hub.rpc('gallery.devices.recent', null));
    say('alert', '');
  } catch (error) {
    if (page.hub.state !== 'connected') return; // the next connection asks again
    samples.addNone();
    say('alert', reasonOf(error));
  }
  changed();
}

// Your machines are channels like any other, so their past is history.
const loads = new Loads();
const machines = page.hub.subscribe('devices.*.load');
machines
  .on('message', ({channel, data, time}) => loads.add(channel ?? '', data, time ?? Date.now()) && changed())
  .on('subscribed', (recovered) => recovered || fetchLoads())
  .on('ended', (error) => sayOfMachines(`Not shown: ${messageOf(error)}`));

async function fetchLoads() {
  try {
    const kept = await page.hub.history(machines.channel, {limit: HISTORY, reverse: true});
    for (const {channel, data, time} of kept.reverse()) loads.add(channel ?? '', data, time ?? 0);
  } catch (error) {
    if (page.hub.state === 'connected') sayOfMachines(`Only what comes from now on: ${messageOf(error)}`);
  }
  changed();
}

// What arrived is shown once a frame, or once the page is looked at, or once it is not paused any more.
const charts = {
  cpu: new Chart(section('cpu'), {kind: 'time', format: percent}),
  memory: new Chart(section('memory'), {kind: 'time', format: bytes}),
  disk: new Chart(section('disk'), {kind: 'time', format: byteRate}),
  network: new Chart(section('network'), {kind: 'time', format: byteRate}),
  loads: new Chart(section('loads'), {kind: 'time', format: plain}),
};
const pause = find(root, '[data-part=pause]', HTMLButtonElement);
let paused = 0; // the newest sample's time when it was pressed; 0: it is not
let frame = 0;

function changed() {
  frame ||= requestAnimationFrame(() => {
    frame = 0;
    showStatus();
    if (paused) return;
    showProcessor();
    showMemory();
    showDisks();
    showNetwork();
    showLoads();
  });
}

pause.addEventListener('click', () => {
  paused = paused ? 0 : samples.newest || Date.now();
  pause.ariaPressed = String(paused !== 0);
  changed();
});
page.hub.on('state', changed);

const clock = new Intl.DateTimeFormat(undefined, {timeStyle: 'medium'});

function showStatus() {
  const {count, missing} = samples;
  const held = `${count} samples, ${missing === 0 ? 'none' : missing} missing`;
  const state = page.hub.state === 'connected' ? 'Live' : 'Not connected: what is missed comes later';
  if (paused) say('status', `Paused at ${clock.format(paused)}; samples are still collected`);
  else if (count > 0) say('status', `${state} · ${held}`);
}

/** @param {'status' | 'alert'} part @param {string} text */
function say(part, text) {
  const element = findElement(root, `.tools [data-part=${part}]`);
  if (element.textContent !== text) element.textContent = text;
}

/** @param {string} text */
function sayOfMachines(text) {
  const element = findElement(section('loads'), '[data-part=denied]');
  element.textContent = text;
  element.hidden = false;
}

/** @returns {[number, number]} */
const lately = () => between(samples.oldest, samples.newest);

/** What a chart spans. @param {number} first @param {number} last @returns {[number, number]} */
const between = (first, last) => [Math.max(last - WINDOW, Math.min(first, last - LEAST)), last];

function showProcessor() {
  const {times, columns} = samples.columns('cpu');
  const cores = [...columns.keys()].filter((name) => name.startsWith('core/')).sort((a, b) => coreOf(a) - coreOf(b));
  charts.cpu.show({
    xs: times, x: lately(), y: [0, 100],
    series: [
      {name: 'all', colour: 1, kind: 'area', ys: columns.get('total') ?? []},
      ...cores.slice(0, MAX_CORES).map((core, i) => ({
        name: `core ${coreOf(core)}`, colour: 2 + (i % 5), thin: true, dashed: i >= 5, ys: columns.get(core) ?? [],
      })),
    ],
  });
}

/** @param {string} name */
const coreOf = (name) => Number(name.slice('core/'.length));

function showMemory() {
  const {times, columns} = samples.columns('memory');
  const last = (/** @type {string} */ name) => columns.get(name)?.reduce((known, total) => total ?? known, null);
  const all = last('total') ?? 1;
  const swap = last('swap/total');
  const series = [{name: `used of ${bytes(all)}`, colour: 1, kind: /** @type {const} */ ('area'), dashed: false, ys: columns.get('used') ?? []}];
  if (swap) series.push({name: `swap of ${bytes(swap)}`, colour: 3, kind: 'area', dashed: true, ys: columns.get('swap/used') ?? []});
  charts.memory.show({xs: times, x: lately(), y: [0, Math.max(all, swap ?? 0)], series});
}

function showDisks() {
  const {times, columns} = samples.columns('disk');
  const read = columns.get('read') ?? [];
  const written = columns.get('written') ?? [];
  charts.disk.show({
    xs: times, x: lately(), y: rangeFromZero([...read, ...written], 100_000),
    series: [{name: 'read', colour: 2, ys: read}, {name: 'written', colour: 3, dashed: true, ys: written}],
  });
  const used = columns.get('used')?.at(-1);
  const total = columns.get('total')?.at(-1);
  const meter = find(root, 'meter', HTMLMeterElement);
  meter.hidden = used == null || total == null;
  if (used == null || total == null) return;
  meter.value = used / total;
  findElement(root, '[data-part=usage]').textContent = `File system of the hub’s data: ${bytes(used)} of ${bytes(total)}`;
}

/** @type {string[]} the interfaces that have lines; they keep them */
let drawn = [];

function showNetwork() {
  const {times, columns} = samples.columns('network');
  const names = [...columns.keys()].filter((name) => name.startsWith('received/')).map((name) => name.slice('received/'.length));
  const last = (/** @type {string} */ what, /** @type {string} */ name) => columns.get(`${what}/${name}`)?.at(-1) ?? null;
  const sum = (/** @type {string} */ name) => (columns.get(`received/${name}`) ?? []).reduce((all, y) => Number(all) + Number(y), 0) ?? 0;
  const busiest = [...names].sort((a, b) => sum(b) - sum(a) || (a < b ? -1 : 1));
  drawn = [...drawn.filter((name) => names.includes(name)), ...busiest.filter((name) => !drawn.includes(name))].slice(0, MAX_INTERFACES);
  const series = drawn.flatMap((name, i) => [
    {name: `${name} received`, colour: 1 + i, dashed: false, ys: columns.get(`received/${name}`) ?? []},
    {name: `${name} sent`, colour: 1 + i, dashed: true, ys: columns.get(`sent/${name}`) ?? []},
  ]);
  charts.network.show({xs: times, x: lately(), y: rangeFromZero(series.flatMap(({ys}) => ys), 10_000), series});
  showInterfaces(names.filter((name) => last('received', name) !== null).sort(), last);
}

/** Fills the table, row by row. @param {string[]} names @param {(what: string, name: string) => number | null} last */
function showInterfaces(names, last) {
  const body = find(root, '#interfaces tbody', HTMLTableSectionElement);
  while (body.rows.length > names.length) body.deleteRow(-1);
  names.forEach((name, i) => {
    const row = body.rows[i] ?? body.appendChild(find(stamp('interface'), 'tr', HTMLTableRowElement));
    for (const cell of row.cells) {
      const what = cell.getAttribute('data-part') ?? '';
      const value = last(what, name);
      const format = what.startsWith('packets') ? (/** @type {number} */ n) => `${plain(n)}/s` : byteRate;
      const text = what === 'name' ? name : value === null ? '–' : format(value);
      if (cell.textContent !== text) cell.textContent = text;
    }
  });
}

function showLoads() {
  const {times, columns} = loads.columns();
  const end = Math.max(samples.newest, times.at(-1) ?? 0);
  charts.loads.show({
    xs: times, x: between(times[0] ?? end, end), y: rangeFromZero([...columns.values()].flat()),
    series: [...columns].map(([name, ys], i) => ({name, colour: 1 + (i % 6), bridged: true, ys})),
    summary: columns.size === 0 ? 'none has published a load yet' : undefined,
  });
}

// The shell lines name this hub, whatever its address.
for (const line of document.querySelectorAll('.shell [data-part=line]')) {
  line.textContent = (line.textContent ?? '').replace('http://127.0.0.1:1234/', page.base);
}
copies(findElement(root, '[data-part=copy]'), findElement(root, '[data-part=line]'));
page.connect();
