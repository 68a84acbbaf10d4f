// What the scripts beside this file share.
import { createInterface } from 'node:readline';
import { Centrifuge } from 'centrifuge';
import WebSocket from 'ws';

/** Opens a Centrifuge connection to the hub at an http URL. */
export async function connect(url, options = {}) {
  const client = new Centrifuge(url.replace(/^http/, 'ws') + '/connection/websocket', {
    websocket: WebSocket,
    minReconnectDelay: 50,
    maxReconnectDelay: 500,
    ...options,
  });
  client.connect();
  await client.ready(20_000);
  return client;
}

/** Returns the next event of a kind. */
export function once(emitter, kind) {
  return new Promise((resolve) => emitter.once(kind, resolve));
}

/** Collects a subscription's events: next returns the oldest of a kind not yet
 *  returned that matches, and drops those before it. */
export function watch(subscription) {
  const seen = { publication: [], join: [], leave: [], subscribed: [] };
  let wake = () => {};
  for (const [kind, events] of Object.entries(seen)) {
    subscription.on(kind, (event) => {
      events.push(event);
      wake();
    });
  }
  return {
    async next(kind, matches = () => true) {
      for (;;) {
        while (seen[kind].length > 0) {
          const event = seen[kind].shift();
          if (matches(event)) return event;
        }
        await new Promise((resolve) => { wake = resolve; });
      }
    },
  };
}

/** The lines of standard input: what the Go test says. */
export const lines = () => createInterface({ input: process.stdin })[Symbol.asyncIterator]();
