import {control, copies, fill, find, findElement, messageOf, onSubmit, showTime, stamp} from '../dom.js';
import {Log} from '../log.js';
import {contentOf, dataOf} from '../message.js';
import {Page} from '../page.js';
import {fromAMQP, fromMQTT, toAMQP, toMQTT} from './brokers.js';
import {Topics} from './topics.js';
import {Tree} from './tree.js';

/**
 * @typedef {import('../subscription.js').Publication} Publication
 * @typedef {import('../subscription.js').Subscription} Subscription
 */

const PATTERNS = ['mqtt.>', 'amqp.>'];
const MOST_READ = 1_000; // messages of history, of each pattern
const MOST_HELD = 5_000; // messages that come while it is read; of more, the oldest are left out
const MOST_SHOWN = 50; // messages of the chosen topic

const page = new Page('mqtt.>');
const stage = findElement(document, '#queues');
const form = find(stage, 'form[name=publish]', HTMLFormElement);
const filter = find(stage, 'form[name=filter]', HTMLFormElement);
const log = new Log(findElement(stage, '.log'));
const topics = new Topics();
const tree = new Tree(findElement(stage, '[data-part=tree]'), topics, (channel) => choose(channel));

let chosen = '';
let newest = 0; // offset of the chosen topic's last stored message that is shown
let drawing = false;
/** @type {Set<string> | undefined} channels to be drawn; undefined: all */
let changed = new Set();

for (const pattern of PATTERNS) follow(page.hub.subscribe(pattern));

/** Takes what was kept and what comes, in order. @param {Subscription} sub */
function follow(sub) {
  /** @type {Publication[] | null} what comes while history is read; null: it has been read */
  let held = [];
  sub.on('message', (publication) => {
    if (held === null) return take(publication);
    held.push(publication);
    if (held.length > MOST_HELD) held.shift();
  });
  sub.on('subscribed', async (recovered) => {
    if (recovered && held === null) return; // what was missed comes as messages
    held ??= [];
    if (recovered === false) begin(sub.channel); // perhaps of another store, with other offsets
    try {
      for (const publication of await latest(sub)) take(publication);
    } catch (error) {
      if (page.hub.state !== 'connected') return; // the next connection reads it
      fill(stage, 'state', `What was kept can’t be shown: ${messageOf(error)}.`);
    }
    const since = held ?? [];
    held = null;
    since.forEach(take);
  });
  sub.on('ended', (error) => fill(stage, 'state', `${sub.channel} can’t be shown: ${error.message}.`));
}

/** Forgets what is shown of a pattern. @param {string} pattern */
function begin(pattern) {
  const beginning = pattern.slice(0, -1);
  topics.forget(beginning);
  if (!chosen.startsWith(beginning)) return;
  newest = 0;
  log.now(() => log.list.replaceChildren());
}

/** The latest messages that are stored, oldest first, without those shown. @param {Subscription} sub */
async function latest({channel, position}) {
  /** @type {Publication[]} */
  const read = [];
  if (!position) return read; // live alone: nothing is kept
  let since = {...position, offset: position.offset + 1};
  while (read.length < MOST_READ) {
    const some = await page.hub.history(channel, {limit: MOST_READ - read.length, reverse: true, since});
    read.push(...some);
    const last = some.at(-1);
    if (!last?.offset) break;
    since = {...since, offset: last.offset};
  }
  return read.reverse();
}

/** @param {Publication} publication */
function take({channel = '', data, time = Date.now(), offset = 0}) {
  const known = topics.get(channel)?.recent.at(-1);
  if (offset && known && known.offset >= offset) return; // history read again has it twice
  const topic = topics.take(channel, contentOf(data).text, time, offset);
  if (channel === chosen) showMessage(topic.text, time, offset);
  changed?.add(channel);
  draw();
}

/** Draws what has changed within a frame; a hidden tab once it is seen. */
function draw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    tree.draw(control(filter, 'filter').value, changed);
    changed = new Set();
    const dropped = topics.dropped ? `, ${topics.dropped} silent ones left out` : '';
    fill(stage, 'count', `${topics.size || 'none yet'}${topics.size ? ' in all' : ''}${dropped}`);
    findElement(stage, '[data-part=nothing]').hidden = topics.size > 0;
  });
}

filter.addEventListener('input', draw);
filter.addEventListener('submit', (event) => event.preventDefault());
setInterval(() => (changed = undefined, draw()), 1_000); // ages and rates
page.hub.on('state', ({state}) => {
  fill(stage, 'state', state === 'connected' ? '' : 'Not connected: this is how it was. What comes meanwhile is shown later, as far as the hub keeps it.').hidden = false;
});

/** Shows a topic's messages: the last few at once, then those that the hub has kept. @param {string} channel */
async function choose(channel) {
  if (channel === chosen) return;
  chosen = channel;
  newest = 0;
  fill(stage, 'channel', channel);
  control(form, 'channel').value = channel;
  log.now(() => log.list.replaceChildren());
  const recent = topics.get(channel)?.recent ?? [];
  for (const {text, time, offset} of await kept(channel, recent)) if (channel === chosen) showMessage(text, time, offset);
}

/**
 * The messages of a channel that the hub has kept; recent ones where it keeps none or can't say.
 * @param {string} channel
 * @param {import('./topics.js').Message[]} recent
 */
async function kept(channel, recent) {
  if (!recent.at(-1)?.offset) return recent;
  try {
    const read = await page.hub.history(channel, {limit: MOST_SHOWN, reverse: true});
    return read.reverse().map(({data, time = 0, offset = 0}) => ({text: contentOf(data).text, time, offset}));
  } catch {
    return recent;
  }
}

/** @param {string} text @param {number} time @param {number} offset */
function showMessage(text, time, offset) {
  if (offset && offset <= newest) return;
  newest = Math.max(newest, offset);
  log.soon(() => {
    const row = stamp('queue-message');
    showTime(row, time);
    fill(row, 'text', text).hidden = false;
    log.list.append(row);
    while (log.list.childElementCount > MOST_SHOWN) log.list.firstElementChild?.remove();
  });
}

onSubmit(form, async () => {
  const channel = control(form, 'channel').value.trim();
  try {
    await page.hub.publish(channel, dataOf(control(form, 'message').value));
  } catch (error) {
    throw new Error(`Not published: ${messageOf(error)}.`);
  }
  return `Published to ${channel}.`;
});

/**
 * Shows the lines that join a broker, as its form says.
 * @param {string} name of the form
 * @param {typeof fromMQTT} from
 * @param {typeof toMQTT} to
 */
function join(name, from, to) {
  const broker = find(stage, `form[name=${name}]`, HTMLFormElement);
  const [inward, outward] = [findElement(broker, '[data-part=from]'), findElement(broker, '[data-part=to]')];
  const show = () => {
    const server = {host: control(broker, 'host').value, port: control(broker, 'port').value};
    const bearer = page.hub.token !== '';
    fill(inward, 'line', from(page.base, server, control(broker, 'in').value, bearer));
    fill(outward, 'line', to(page.base, server, control(broker, 'out').value, bearer));
  };
  for (const part of [inward, outward]) copies(findElement(part, '[data-part=copy]'), findElement(part, '[data-part=line]'));
  broker.addEventListener('input', show);
  broker.addEventListener('submit', (event) => event.preventDefault());
  page.hub.on('state', show); // who has signed in shows a token
  show();
}

join('mqtt', fromMQTT, toMQTT);
join('amqp', fromAMQP, toAMQP);
page.connect();
