// The real Centrifuge SDK against a hub, call by call.
// Usage: node centrifuge.mjs URL
import assert from 'node:assert/strict';
import { Centrifuge } from 'centrifuge';
import { connect, once, watch } from './common.mjs';

const url = process.argv[2];
const a = await connect(url, { name: 'a' });
const b = await connect(url, { name: 'b' });

// subscribe, publish, join and leave
const roomOfA = a.newSubscription('room', { joinLeave: true, data: { name: 'Ada' } });
const roomOfB = b.newSubscription('room', { joinLeave: true, data: { name: 'Bob' } });
const seenByA = watch(roomOfA);
const seenByB = watch(roomOfB);
roomOfA.subscribe();
await once(roomOfA, 'subscribed');
roomOfB.subscribe();
await once(roomOfB, 'subscribed');
const joined = await seenByA.next('join', ({ info }) => info.chanInfo?.name === 'Bob');
assert.equal(typeof joined.info.client, 'string');
await roomOfA.publish({ text: 'to all' });
for (const seen of [seenByA, seenByB]) {
  const { data, offset, info } = await seen.next('publication');
  assert.deepEqual(data, { text: 'to all' });
  assert.ok(offset > 0);
  assert.equal(info.chanInfo.name, 'Ada');
}

// presence
const { clients } = await roomOfA.presence();
assert.deepEqual(Object.values(clients).map((client) => client.chanInfo.name).sort(), ['Ada', 'Bob']);
assert.equal((await a.presenceStats('room')).numClients, 2);

// history
await a.publish('room', 'second');
await a.publish('room', ['third']);
const all = await roomOfA.history({ limit: 10 });
assert.deepEqual(all.publications.map(({ data }) => data), [{ text: 'to all' }, 'second', ['third']]);
const newest = await roomOfA.history({ limit: 1, reverse: true });
assert.deepEqual(newest.publications.map(({ data }) => data), [['third']]);
const [first, second] = all.publications;
const later = await roomOfA.history({ limit: 1, since: { offset: first.offset, epoch: all.epoch } });
assert.equal(later.publications[0].offset, second.offset);
const position = await roomOfA.history();
assert.deepEqual([position.publications.length, position.epoch], [0, all.epoch]);

// calls
assert.equal((await a.rpc('casefold', 'Straße')).data, 'strasse');
await assert.rejects(a.rpc('fly', {}), { code: 104 });
await assert.rejects(a.publish('a b', 1), { code: 107 });

// a pattern sees the channels under it
const sensors = b.newSubscription('sensor.>');
const seenOfSensors = watch(sensors);
sensors.subscribe();
await once(sensors, 'subscribed');
await a.publish('sensor.kitchen.oven', 180);
const measured = await seenOfSensors.next('publication');
assert.equal(measured.data, 180);

// back after being away: what was missed is recovered, once
b.disconnect();
await seenByA.next('leave', ({ info }) => info.chanInfo?.name === 'Bob');
await a.publish('room', 'missed 1');
await a.publish('room', 'missed 2');
b.connect();
const resumed = await once(roomOfB, 'subscribed');
assert.deepEqual([resumed.wasRecovering, resumed.recovered], [true, true]);
await a.publish('room', 'after');
for (const text of ['second', 'third', 'missed 1', 'missed 2', 'after']) {
  assert.equal(String((await seenByB.next('publication')).data), text);
}

// a refused subscription
const refused = a.newSubscription('a b');
refused.on('error', () => {});
refused.subscribe();
assert.equal((await once(refused, 'unsubscribed')).code, 107);

roomOfA.unsubscribe();
await seenByB.next('leave', ({ info }) => info.chanInfo?.name === 'Ada');
a.disconnect();
b.disconnect();
assert.equal(typeof Centrifuge, 'function');
console.log('done');
