// A standard EventSource stays open while the hub is stopped and started again,
// and prints each message as "TEXT" on a line.
// Usage: node eventsource.mjs URL; the word "end" on standard input ends it
import { EventSource } from 'eventsource';
import { lines } from './common.mjs';

const source = new EventSource(process.argv[2] + '/news/sse');
// The hub's own event of that name says that the subscription stands; without
// data it is the browser's, which says that there was an answer.
source.addEventListener('open', ({ data }) => data && console.log('subscribed'));
source.addEventListener('message', (event) => console.log(JSON.parse(event.data).message));
await lines().next();
source.close();
