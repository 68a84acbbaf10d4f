// The real Centrifuge SDK stays subscribed while the hub is stopped and started
// again, and prints each message as "TEXT" on a line.
// Usage: node recover.mjs URL; the word "end" on standard input ends it
import assert from 'node:assert/strict';
import { connect, lines } from './common.mjs';

const client = await connect(process.argv[2]);
const subscription = client.newSubscription('news', { recoverable: true, positioned: true });
subscription.on('publication', ({ data }) => console.log(data.message));
subscription.on('subscribed', ({ wasRecovering, recovered }) => {
  assert.equal(recovered, wasRecovering);
  console.log(wasRecovering ? 'recovered' : 'subscribed');
});
subscription.subscribe();
await lines().next();
client.disconnect();
