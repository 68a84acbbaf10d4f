/**
 * System shows notifications outside of the page, while it is hidden: through a service worker,
 * as phones allow no others, or as the page's own where there is none.
 *
 * Of several tabs, one that is in view speaks for all that show the same channel: it holds a
 * shared lock of the channel's name, which the browser takes back from a tab that ends. Hidden tabs
 * give a notification the same tag, so that there is one.
 *
 * @typedef {{channel: string, link: string, page: string}} Origin of a notification: where a click on it leads
 */
const LOCK = 'fanfold shows ';
const TURN = 'fanfold notifies';
const QUIET = 2; // priorities up to this make no sound
const URGENT = 5; // stays until dismissed
const PATIENCE = 5_000; // ms for the worker to show a notification

/** The page may name this one script to the browser. */
const address = new URL('sw.js', import.meta.url).href;
const policy = /** @type {any} */ (globalThis).trustedTypes?.createPolicy('service-worker', {createScriptURL: () => address});

export class System {
  #base;
  #onRefusal;
  /** @type {string[]} channels and patterns that the page shows */
  #channels = [];
  #release = () => {};
  /** Settles once the locks have been released. @type {Promise<unknown>} */
  #released = Promise.resolve();
  /** @type {Promise<ServiceWorkerRegistration | null> | null} null: not asked for yet */
  #worker = null;
  /**
   * What is shown and taken away comes one after the other, as the messages did; and of several
   * tabs too, for Chromium forgets what is just being shown when it is asked what there is.
   * @type {Promise<unknown>}
   */
  #last = Promise.resolve();

  /**
   * @param {string} base the hub's address, ending in a slash
   * @param {() => void} onRefusal is told that the browser shows none after all
   */
  constructor(base, onRefusal) {
    this.#base = base;
    this.#onRefusal = onRefusal;
    if (this.permission === 'granted') this.#register();
    document.addEventListener('visibilitychange', () => this.#look());
  }

  /** Whether the reader lets the page show notifications. @returns {NotificationPermission | 'unavailable'} */
  get permission() {
    return 'Notification' in window && isSecureContext ? Notification.permission : 'unavailable';
  }

  /** Asks the reader. */
  async ask() {
    if (await Notification.requestPermission() === 'granted') this.#register();
  }

  /** Says what the page shows from now on. @param {string[]} channels and patterns */
  watch(channels) {
    if (String(channels) === String(this.#channels)) return;
    this.#channels = channels;
    this.#look();
  }

  /**
   * Shows a notification, unless it is in view already or the reader wants none.
   * @param {string} channel
   * @param {import('./message.js').Content} content
   * @param {string} tag
   */
  show(channel, content, tag) {
    if (document.hidden && this.permission === 'granted') this.#next(() => this.#show(channel, content, tag));
  }

  /** Takes a notification away. @param {string} tag */
  close(tag) {
    this.#next(() => this.#closeAll(() => true, {tag}));
  }

  /** @param {() => Promise<unknown>} action */
  #next(action) {
    const turn = () => navigator.locks?.request(TURN, action) ?? action();
    this.#last = this.#last.then(turn).catch(() => {}); // a browser that shows none now
  }

  /**
   * @param {string} channel
   * @param {import('./message.js').Content} content
   * @param {string} tag
   */
  async #show(channel, {title, text, click, priority}, tag) {
    if (!document.hidden) return; // by now
    await this.#released; // else this tab would take itself for one in view
    if (await isInView(channel) || !document.hidden) return;
    /** @type {NotificationOptions & {data: Origin}} */
    const options = {
      body: text, tag, silent: priority <= QUIET, requireInteraction: priority >= URGENT,
      data: {channel, link: click, page: location.href},
    };
    const worker = (await this.#register())?.active;
    if (worker) await shownBy(worker, {title: title || channel, options});
    else this.#showAsPage(title || channel, options);
  }

  /** @param {(shown: Notification) => boolean} chosen @param {GetNotificationOptions} [among] */
  async #closeAll(chosen, among) {
    const registration = await this.#worker;
    for (const shown of await registration?.getNotifications(among) ?? []) if (chosen(shown)) shown.close();
  }

  /** @param {string} title @param {NotificationOptions & {data: Origin}} options */
  #showAsPage(title, options) {
    try {
      const {link} = options.data;
      new Notification(title, options).onclick = () => (link ? open(link, '_blank', 'noopener') : focus());
    } catch { // a phone that let no service worker be
      this.#onRefusal();
    }
  }

  /** The service worker, once it is ready; null if there can be none. */
  #register() {
    this.#worker ??= register(this.#base);
    return this.#worker;
  }

  /** Holds the locks of what is in view, and takes away the notifications of that. */
  #look() {
    const release = this.#release;
    if (document.hidden || !navigator.locks) return release();
    const held = new Promise((resolve) => (this.#release = () => resolve(null)));
    const channels = this.#channels;
    this.#released = Promise.all(channels.map((name) => navigator.locks.request(LOCK + name, {mode: 'shared'}, () => held)));
    release(); // only now: other tabs see no gap
    this.#next(() => this.#closeAll(({data}) => channels.some((name) => covers(name, data?.channel ?? ''))));
  }
}

/** @param {string} scope */
async function register(scope) {
  if (!('serviceWorker' in navigator)) return null;
  try {
    const known = await navigator.serviceWorker.getRegistration(scope);
    const registration = await navigator.serviceWorker.register(policy?.createScriptURL('') ?? address, {scope});
    if (known) registration.update().catch(() => {}); // the hub is away: the next page asks again
    return await navigator.serviceWorker.ready;
  } catch { // not in this browser, or not now
    return null;
  }
}

/** Settles once the worker has shown it, or has not answered for a while. @param {ServiceWorker} worker @param {object} message */
function shownBy(worker, message) {
  return new Promise((resolve) => {
    const {port1, port2} = new MessageChannel();
    port1.onmessage = resolve;
    setTimeout(resolve, PATIENCE);
    worker.postMessage(message, [port2]);
  });
}

/** Whether a tab that shows a channel is in view. @param {string} channel */
async function isInView(channel) {
  const {held = []} = await navigator.locks?.query() ?? {};
  return held.some(({name = ''}) => name.startsWith(LOCK) && covers(name.slice(LOCK.length), channel));
}

/** Whether a channel is the one of this name, or one that the pattern matches. @param {string} pattern @param {string} channel */
export function covers(pattern, channel) {
  const wanted = pattern.split('.');
  const tokens = channel.split('.');
  const rest = wanted.at(-1) === '>';
  if (rest ? tokens.length < wanted.length : tokens.length !== wanted.length) return false;
  return wanted.every((token, i) => token === tokens[i] || token === '*' || (token === '>' && i === wanted.length - 1));
}
