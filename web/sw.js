/**
 * The service worker shows notifications for the tabs, and leads back to them. It keeps nothing,
 * and answers no requests.
 *
 * A message is {title, options} of a notification, whose data says where a click leads: to the
 * link if there is one, else to the tab that asked, or to its page again. Its port is told when
 * that is shown.
 */

const worker = /** @type {ServiceWorkerGlobalScope} */ (/** @type {unknown} */ (self));

worker.addEventListener('install', () => worker.skipWaiting()); // there is nothing that an older one would finish

worker.addEventListener('message', (event) => {
  const {title, options} = event.data;
  const data = {...options.data, tab: /** @type {Client} */ (event.source).id};
  const shown = worker.registration.showNotification(title, {...options, data});
  event.waitUntil(shown.finally(() => event.ports[0]?.postMessage(null)));
});

worker.addEventListener('notificationclick', (event) => {
  event.notification.close();
  event.waitUntil(follow(event.notification.data));
});

/** @param {{link: string, page: string, tab: string}} origin */
async function follow({link, page, tab}) {
  if (link) return worker.clients.openWindow(link);
  const all = await worker.clients.matchAll({type: 'window', includeUncontrolled: true});
  const there = all.find(({id}) => id === tab) ?? all.find(({url}) => url === page);
  return there ? there.focus() : worker.clients.openWindow(page);
}
