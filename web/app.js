import {Chat} from './chat.js';
import {helloLine} from './curl.js';
import {copies, fill, findElement} from './dom.js';
import {Echo} from './echo.js';
import {needsCredential} from './fanfold.js';
import {Feed, isPattern} from './feed.js';
import {Notifications} from './notifications.js';
import {Page} from './page.js';
import {word} from './shell.js';

const DEFAULT_CHANNEL = 'news';

const title = document.title;
let unread = 0;
let asksWho = false; // the hub takes no requests without a token or key

const page = new Page(DEFAULT_CHANNEL);
const {hub, base} = page;
const echo = new Echo(page.socketURL(''), () => hub.token);
const notifications = new Notifications(base, () => hub.token);
const chat = new Chat(hub, page.identity, rename);
const feed = new Feed(hub, {
  identity: () => page.identity,
  onChannels: showChannels,
  onMessage: (channel, content, tag) => {
    if (content.kind === 'notification') notifications.show(channel, content, tag);
    if (document.hidden) unread++;
    showTitle();
  },
  onGone: (tag) => notifications.dismiss(tag),
});

copies(findElement(document, '#intro [data-part=copy]'), findElement(document, '#intro [data-part=curl]'));
hub.on('state', ({state, code}) => {
  if (state === 'connected') {
    echo.connectIfLost();
    showChannels(feed.channels);
    chat.welcome(hub.token !== '');
  }
  if (!needsCredential(code)) return;
  asksWho = true;
  echo.rest('not signed in');
  showChannels(feed.channels);
});
document.addEventListener('visibilitychange', () => {
  if (document.hidden) return;
  unread = 0;
  showTitle();
});
for (const channel of channelsInAddress()) feed.add(channel);
chat.enter();
page.connect();

/** The channels that the address asks for: /{channel}?channel=…&channel=… */
function channelsInAddress() {
  const others = new URLSearchParams(location.search).getAll('channel');
  const last = location.pathname.split('/').at(-1) || DEFAULT_CHANNEL;
  try {
    return [decodeURIComponent(last), ...others];
  } catch { // a stray % in it
    return [last, ...others];
  }
}

/**
 * Shows which channels the page is on, in its heading and in its address, which can be shared.
 * @param {string[]} channels
 */
function showChannels(channels) {
  const [first = DEFAULT_CHANNEL, ...others] = channels;
  const example = first.replaceAll(/[*>]/g, 'example');
  fill(findElement(document, '#intro'), 'channel', first);
  fill(findElement(document, '#intro'), 'curl', helloLine(base, example, asksWho || hub.token !== ''));
  page.account.explain(word(first));
  notifications.shown(channels);
  notifications.suggest(channels.find((name) => !isPattern(name)) ?? example);
  showTitle();
  if (String(channelsInAddress()) === String(channels) || channels.length === 0) return;
  const query = others.map((name) => `channel=${encodeURIComponent(name)}`).join('&');
  history.replaceState(null, '', encodeURIComponent(first) + (query && `?${query}`));
}

function showTitle() {
  const [first = DEFAULT_CHANNEL] = feed.channels;
  document.title = `${unread ? `(${unread}) ` : ''}${first} · ${title}`;
}

/** @param {string} name */
function rename(name) {
  page.rename(name);
  chat.introduce(page.identity);
  feed.introduce();
}
