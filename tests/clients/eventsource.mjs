// A standard EventSource stays open while the hub is stopped and started again,
// and prints each message as "TEXT" on a line.
// Usage: node eventsource.mjs URL; the word "end" on standard input ends it
import { EventSource } from 'eventsource';
import { lines } from './common.mjs';

const source = new EventSource(process.argv[2] + '/news/sse');
source.addEventListener('open', () => console.log('subscribed'));
source.addEventListener('message', (event) => console.log(JSON.parse(event.data).message));
await lines().next();
source.close();
