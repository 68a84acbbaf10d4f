import assert from 'node:assert/strict';
import {test} from 'node:test';
import {Clock} from './fake.mjs';
import {Browser, CHANNEL, SharedHub, calm, connected, folded, open, plain, settled} from './sharedhub.mjs';
import {FanfoldError} from './subscription.js';

const clock = new Clock();

test('a change is shown at once, waits while there is no connection, and is published in order', async () => {
  const hub = new SharedHub();
  const {client, replica} = open(hub);
  const id = replica.make({text: 'Milk', done: false});
  replica.set(id, {done: true});
  replica.set(id, {text: null});
  assert.deepEqual([plain(replica.objects), replica.pending, replica.state], [{[id]: {done: true}}, 3, 'loading']);
  assert.ok(Object.isFrozen(replica.objects.get(id)));
  client.connect();
  await calm({client});
  assert.deepEqual([plain(replica.objects), replica.pending, replica.state], [{[id]: {done: true}}, 0, 'live']);
  assert.deepEqual(hub.all.map(({data}) => data.n), [1, 2, 3]);
});

test('what others change shows below what waits, and the hub’s order decides', async () => {
  const hub = new SharedHub();
  const [a, b] = [await connected(hub), await connected(hub)];
  const id = a.replica.make({text: 'one', color: 'red'});
  await calm(a, b);
  a.client.disconnect();
  a.replica.set(id, {text: 'by a'});
  b.replica.set(id, {text: 'by b', color: 'blue'});
  await calm(b);
  a.client.connect();
  a.client.move(true);
  while (a.client.down.length > 0) a.client.move(false);
  assert.deepEqual(plain(a.replica.objects), {[id]: {text: 'by a', color: 'blue'}}, 'rebased');
  await calm(a, b);
  assert.deepEqual(plain(b.replica.objects), {[id]: {text: 'by a', color: 'blue'}}, 'the later one wins');
});

test('an operation that reaches the hub twice counts once', async () => {
  const hub = new SharedHub();
  const [a, b] = [await connected(hub), await connected(hub)];
  const id = a.replica.make({v: 1});
  await settled();
  a.client.disconnect(); // it is on its way to the hub still
  assert.equal(a.replica.pending, 1);
  a.client.connect();
  await calm(a, b);
  b.replica.set(id, {v: 2});
  b.replica.drop(id);
  await calm(b);
  a.client.stray.shift()();
  await calm(a, b);
  assert.deepEqual(hub.all.map(({data}) => data.n), [1, 1, 2, 1]);
  assert.deepEqual([a.replica.objects.size, b.replica.objects.size], [0, 0]);
});

test('an operation that was answered waits until it comes, and goes again if the hub has lost it', async () => {
  const hub = new SharedHub();
  const a = await connected(hub);
  const id = a.replica.make({v: 1});
  a.client.move(true);
  a.client.down.reverse(); // the answer comes first
  a.client.move(false);
  await settled();
  assert.deepEqual([a.replica.pending, hub.all.length], [1, 1]);
  a.client.disconnect();
  Object.assign(hub, {log: [], epoch: 'e2'});
  a.client.connect();
  await calm(a);
  assert.deepEqual([a.replica.pending, a.replica.objects.get(id).v, hub.log.length], [0, 1, 1]);
});

test('after a gap all is read anew', async () => {
  const hub = new SharedHub();
  const [a, b] = [await connected(hub), await connected(hub)];
  const ids = Array.from({length: 20}, (_, i) => a.replica.make({i}));
  await calm(a, b);
  a.client.disconnect();
  for (const id of ids.slice(1)) b.replica.drop(id);
  await calm(b);
  hub.rollUp(folded(hub.log).snapshot);
  const told = new Set();
  a.replica.on('change', ({ids: some}) => some.forEach((id) => told.add(id)));
  a.client.connect();
  await calm(a);
  assert.deepEqual(plain(a.replica.objects), {[ids[0]]: {i: 0}});
  assert.deepEqual([...told].sort(), ids.slice(1).sort(), 'what has not changed is not told of');
});

test('a connection that is lost while history is read begins anew', async () => {
  const hub = new SharedHub();
  const a = await connected(hub);
  for (let i = 0; i < 30; i++) a.replica.make({i});
  await calm(a);
  const late = open(hub);
  late.client.connect();
  for (let i = 0; i < 4; i++) {
    late.client.move(true);
    late.client.move(false);
    await settled();
  }
  late.client.disconnect();
  a.replica.make({i: 31});
  await calm(a);
  late.client.connect();
  await calm(late);
  assert.deepEqual(plain(late.replica.objects), plain(a.replica.objects));
});

test('changes are told of once for all that came at a time', async () => {
  const hub = new SharedHub();
  const [a, b] = [await connected(hub), await connected(hub)];
  const told = [];
  b.replica.on('change', ({ids}) => told.push(ids.size));
  for (let i = 0; i < 5; i++) a.replica.make({i});
  await calm(a);
  while (b.client.down.length > 0) b.client.move(false);
  await settled();
  assert.deepEqual(told, [5]);
});

test('undo and redo take back own changes', async () => {
  const {replica, client} = await connected(new SharedHub());
  const id = replica.make({text: 'a'});
  replica.set(id, {text: 'b', more: 1});
  replica.drop(id);
  for (let round = 0; round < 2; round++) {
    replica.undo();
    assert.deepEqual(plain(replica.objects), {[id]: {text: 'b', more: 1}});
    replica.undo();
    assert.deepEqual(plain(replica.objects), {[id]: {text: 'a'}});
    replica.undo();
    assert.deepEqual([plain(replica.objects), replica.canUndo, replica.canRedo], [{}, false, true]);
    replica.undo();
    replica.redo();
    replica.redo();
    replica.redo();
    assert.deepEqual([plain(replica.objects), replica.canUndo, replica.canRedo], [{}, true, false]);
  }
  replica.undo();
  replica.make({});
  assert.equal(replica.canRedo, false, 'a new change ends what can be redone');
  await calm({client});
  assert.equal(replica.pending, 0);
});

test('undo leaves alone what somebody else has changed since', async () => {
  const hub = new SharedHub();
  const [a, b] = [await connected(hub), await connected(hub)];
  const both = () => calm(a, b);
  const id = a.replica.make({x: 1, y: 1, z: 1});
  a.replica.set(id, {x: 2, y: 2, z: null});
  await both();
  b.replica.set(id, {x: 3});
  await both();
  a.replica.undo();
  await both();
  assert.deepEqual(plain(b.replica.objects), {[id]: {x: 3, y: 1, z: 1}});
  a.replica.undo();
  await both();
  assert.deepEqual(plain(b.replica.objects), {[id]: {x: 3, y: 1, z: 1}}, 'an object that somebody has changed stays');

  const other = b.replica.make({text: 'b'});
  await both();
  a.replica.drop(other);
  await both();
  b.replica.set(other, {text: 'too late'});
  await both();
  assert.equal(b.replica.objects.has(other), false, 'a dropped object stays dropped');
  a.replica.undo();
  await both();
  assert.deepEqual(b.replica.objects.get(other).text, 'b');
});

test('several changes are one operation and one step', async () => {
  const hub = new SharedHub();
  const {replica, client} = await connected(hub);
  replica.change({make: {A: {i: 1}, B: {i: 2}}});
  replica.change({set: {A: {i: 3}}, drop: ['B']});
  replica.undo();
  assert.deepEqual(plain(replica.objects), {A: {i: 1}, B: {i: 2}});
  await calm({client});
  assert.equal(hub.all.length, 3);
});

test('an operation that the hub refuses for good is taken back, and the next goes on', async () => {
  const hub = new SharedHub();
  const {replica, client, errors} = await connected(hub);
  client.refuse = new FanfoldError(103, 'not granted');
  replica.make({text: 'no'});
  client.move(true);
  client.move(false);
  await settled();
  assert.deepEqual([plain(replica.objects), replica.pending, replica.canUndo], [{}, 0, false]);
  assert.deepEqual(errors, ['A change was taken back: not granted.']);
  client.refuse = new FanfoldError(111, 'busy', true);
  replica.make({text: 'later'});
  await calm({client});
  assert.deepEqual([replica.pending, errors.length], [1, 1], 'what is refused for now waits');
  client.refuse = null;
  clock.pass(20_000);
  await calm({client});
  assert.equal(replica.pending, 0);
});

test('there is a bound to what waits and to the document', async () => {
  const {replica, client} = open(new SharedHub());
  for (let i = 0; i < 1_000; i++) replica.set('none', {i});
  assert.throws(() => replica.make({}), /1000 changes wait for the hub already/);
  client.connect();
  await calm({client});
  replica.make({text: 'x'.repeat(100_000)});
  const before = replica.pending;
  assert.throws(() => replica.make({text: 'x'.repeat(20_000)}), /the document is full/);
  assert.throws(() => replica.make({['no name']: 1}), /must name/);
  assert.throws(() => replica.set('__proto__', {a: 1}), /must name/);
  assert.equal(replica.pending, before);
});

test('two that fill the document at the same time: the later one is told', async () => {
  const hub = new SharedHub();
  const [a, b] = [await connected(hub), await connected(hub)];
  a.replica.make({text: 'x'.repeat(70_000)});
  b.replica.make({text: 'y'.repeat(70_000)});
  await calm(a, b);
  assert.deepEqual(plain(a.replica.objects), plain(b.replica.objects));
  assert.equal(a.replica.objects.size, 1);
  assert.deepEqual([a.errors.length, b.errors.length, b.replica.canUndo], [0, 1, false]);
});

test('what is hostile does nothing', async () => {
  const hub = new SharedHub();
  const {replica, client, errors} = await connected(hub);
  const id = replica.make({text: 'mine'});
  await calm({client});
  const by = hub.all[0].data.by;
  const deep = JSON.parse('['.repeat(1_000) + ']'.repeat(1_000));
  for (const data of [null, 1, 'x', [], {}, {by, n: 0}, {by, n: 1.5}, {by, n: '2'}, {by: 5, n: 1}, {by: 'x'.repeat(23), n: 1},
    {by: 'H', n: 1, set: {[id]: 1}}, {by: 'H', n: 1, make: []}, {by: 'H', n: 1, drop: {}}, {by: 'H', n: 1, drop: [1]},
    {by: 'H', n: 1, make: {a: {deep}}}, {by: 'H', n: 1, set: {[id]: {'no name': 1}}},
    JSON.parse('{"by": "H", "n": 1, "make": {"__proto__": {"a": 1}}}'), JSON.parse('{"by": "H", "n": 1, "make": {"a": {"__proto__": 1}}}'),
    JSON.parse('{"by": "H", "n": 1, "make": {"a": {"b": {"__proto__": {"polluted": 1}}}}}'),
    {snapshot: {objects: {}, seen: []}}]) {
    hub.store(data, {client: 'c'});
  }
  hub.store({snapshot: {objects: [], seen: []}});
  hub.store({snapshot: {objects: {}, seen: [['H', 1], ['H', 2]]}});
  client.down.push(() => client.sub.emit('message', {data: {by: 'L', n: 1, drop: [id]}, info: {client: 'c'}})); // not stored
  await calm({client});
  assert.deepEqual([plain(replica.objects), errors], [{[id]: {text: 'mine'}}, []]);
  assert.equal({}.polluted, undefined);
  hub.store({by: 'H', n: 1, make: {constructor: {toString: 'x'}}, set: {hasOwnProperty: {a: 1}}}, {client: 'c'});
  hub.store({by, n: Number.MAX_SAFE_INTEGER}, {client: 'c'}); // in this replica's name
  await calm({client});
  assert.equal(replica.objects.get('constructor').toString, 'x');
  replica.set(id, {text: 'still'});
  await calm({client});
  assert.equal(folded(hub.all).objects.get(id).text, 'still');
});

test('the channel can’t be read: it says so', async () => {
  const hub = new SharedHub();
  const {replica, client, errors} = await connected(hub);
  client.sub.emit('ended', new FanfoldError(103, 'not granted'));
  assert.deepEqual([replica.state, errors], ['refused', ['not granted']]);
});

for (const withLocks of [true, false]) {
  test(`what a tab leaves is adopted by the next, ${withLocks ? 'once it is gone' : 'without locks too'}`, async () => {
    const hub = new SharedHub();
    const browser = new Browser();
    const start = () => {
      const {locks, kill} = browser.tab();
      return {...open(hub, {storage: browser.storage, locks: withLocks ? locks : undefined}), kill};
    };
    const first = start();
    await settled();
    const id = first.replica.make({text: 'left behind', v: 1});
    first.replica.set(id, {v: 2});
    const second = start();
    await settled();
    second.replica.make({text: 'second'});
    assert.equal(second.replica.pending, withLocks ? 1 : 3);
    first.kill();
    const third = start();
    await settled();
    assert.equal(third.replica.pending, withLocks ? 2 : 3);
    assert.equal(third.replica.objects.get(id).v, 2);
    for (const {client} of [second, third, ...withLocks ? [] : [first]]) client.connect();
    await calm(second, third, ...withLocks ? [] : [first]);
    for (const {replica} of [second, third]) {
      assert.deepEqual([replica.pending, replica.objects.size, replica.objects.get(id).v], [0, 2, 2]);
    }
    assert.equal(browser.storage.length, 0);
  });
}

test('an adopted operation that was taken already counts once', async () => {
  const hub = new SharedHub();
  const browser = new Browser();
  const {locks, kill} = browser.tab();
  const first = await connected(hub, {storage: browser.storage, locks});
  const id = first.replica.make({v: 1});
  await settled();
  first.client.move(true); // the hub has it, and the tab goes before it hears so
  kill();
  const other = await connected(hub);
  other.replica.set(id, {v: 2});
  await calm(other);
  other.replica.drop(id);
  await calm(other);
  const next = await connected(hub, {storage: browser.storage, locks: browser.tab().locks});
  await calm(next, other);
  assert.deepEqual([next.replica.objects.size, next.replica.pending, browser.storage.length], [0, 0, 0]);
});

test('a full or damaged storage is no trap', async () => {
  const hub = new SharedHub();
  const browser = new Browser();
  browser.storage.setItem(`fanfold:${CHANNEL}:Dead:1`, '{not JSON');
  browser.storage.setItem(`fanfold:${CHANNEL}:Dead:2`, '{"by": "Dead", "n": 2, "set": []}');
  browser.storage.setItem(`fanfold:${CHANNEL}:Dead:3`, '{"by": "Dead", "n": 3, "make": {"A": {"v": 1}}}');
  browser.storage.setItem(`fanfold:${CHANNEL}.longer:Dead:1`, '{"by": "Dead", "n": 1, "make": {"B": {"v": 1}}}');
  browser.storage.setItem('token', 'x');
  const {replica} = open(hub, {storage: browser.storage, locks: browser.tab().locks});
  await settled();
  assert.deepEqual([plain(replica.objects), replica.pending, browser.storage.length], [{A: {v: 1}}, 1, 3]);
  browser.most = 300;
  assert.throws(() => replica.make({text: 'x'.repeat(400)}), /no room/);
  assert.deepEqual([replica.pending, replica.canUndo], [1, false]);
});

test('a replica that is closed leaves its queue', async () => {
  const hub = new SharedHub();
  const browser = new Browser();
  const {locks} = browser.tab();
  const first = open(hub, {storage: browser.storage, locks});
  first.replica.make({v: 1});
  await settled();
  first.replica.close();
  await settled();
  const {replica} = open(hub, {storage: browser.storage, locks});
  await settled();
  assert.equal(replica.pending, 1);
});
