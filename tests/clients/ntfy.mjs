// The npm client for ntfy publishes a notification with all that it can say,
// and prints the hub's replies as lines of JSON.
// Usage: node ntfy.mjs URL TOPIC
import { NtfyClient } from 'ntfy';

const [server, topic] = process.argv.slice(2);
const client = new NtfyClient({ server, topic });
const replies = [
  await client.publish({ message: 'plain' }),
  await client.publish({
    message: 'The door is open',
    title: 'Door',
    priority: 5,
    tags: ['warning', 'door'],
    iconURL: 'http://127.0.0.1/icon.png',
    fileURL: { url: 'http://127.0.0.1/door.jpg', filename: 'door.jpg' },
    actions: [
      { type: 'view', label: 'Look', url: 'http://127.0.0.1/door', clear: true },
      { type: 'http', label: 'Close', url: 'http://127.0.0.1/close', method: 'put', headers: { 'X-Key': 'k' }, body: 'now' },
      { type: 'broadcast', label: 'Photo', extras: { cmd: 'pic' }, intent: 'io.example.SNAP' },
    ],
  }),
  await client.publish({ message: 'kept by nobody', disableCache: true }),
];
for (const reply of replies) console.log(JSON.stringify(reply));
