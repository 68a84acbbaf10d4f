import {fill, findElement, messageOf} from '../dom.js';
import {contentOf, isEvent, tagOf} from '../message.js';
import {Notifications} from '../notifications.js';
import {Page} from '../page.js';
import {Timeline} from '../timeline.js';

const CHANNEL = 'gallery.notifications';
const FIRST = 30; // read from history on opening

const page = new Page(CHANNEL);
const {hub} = page;
const stage = findElement(document, '#notifications');
const notifications = new Notifications(page.base, () => hub.token);
const list = new Timeline(findElement(stage, '.log'), () => {});
const sub = hub.subscribe(CHANNEL, {data: page.identity});

/** What was there when the page came. */
let opened = false;

sub.on('subscribed', async (recovered) => {
  show('live', 'live');
  if (recovered === false) list.note('The history did not reach back; some may be missing here', 'gap');
  if (opened && recovered !== false) return; // what was missed comes as messages
  try {
    const publications = await hub.history(CHANNEL, {limit: FIRST, reverse: true});
    list.insert(publications.map(entry));
    opened = true;
  } catch (error) {
    if (hub.state === 'connected') fill(stage, 'problem', `What came before can’t be shown: ${messageOf(error)}.`);
  }
});
sub.on('message', (publication) => {
  const tag = tagOf(CHANNEL, entry(publication).epoch, publication);
  if (list.arrive(entry(publication))) notifications.show(CHANNEL, contentOf(publication.data), tag);
  if (isEvent(publication.data)) notifications.dismiss(tag);
});
sub.on('suspended', () => show('waiting', 'waiting for the hub'));
sub.on('ended', (error) => {
  show('waiting', 'not subscribed');
  fill(stage, 'problem', `Not subscribed: ${error.message}.`);
});
notifications.suggest(CHANNEL);
notifications.shown([CHANNEL]);
page.connect();

/** @param {import('../subscription.js').Publication} publication */
function entry(publication) {
  return {channel: CHANNEL, epoch: sub.position?.epoch ?? '', publication};
}

/** @param {'live' | 'waiting'} state @param {string} text */
function show(state, text) {
  fill(stage, 'state', text).dataset.state = state;
}
