import assert from 'node:assert/strict';
import * as node from 'node:test';
import {Clock, Socket, random} from './fake.mjs';
import {Fanfold, NO_ANSWER, NO_CONNECTION, needsCredential} from './fanfold.js';

const EPOCH = 'e1';
let clock = new Clock();

/** A test with a clock of its own, so that what earlier ones left behind stands still. */
function test(name, story) {
  node.test(name, () => {
    clock = new Clock();
    Socket.all = [];
    return story();
  });
}

/** A client that is subscribed to news, from offset 5 on. */
function connected() {
  const hub = new Fanfold('ws://hub/connection/websocket', {data: {name: 'Ada'}});
  const heard = [];
  const sub = hub.subscribe('news', {data: {name: 'Ada'}});
  sub.on('message', ({data}) => heard.push(data));
  hub.connect();
  const socket = Socket.last;
  socket.open();
  const [[connect, subscribe]] = socket.taken();
  socket.push({id: connect.id, connect: {client: 'c1', ping: 25, pong: true}});
  socket.push({id: subscribe.id, subscribe: {recoverable: true, positioned: true, epoch: EPOCH, offset: 5}});
  return {hub, sub, socket, heard, connect, subscribe};
}

/** Lets the client connect again, and returns the commands of its first frame. */
function reconnected(code = 3001) {
  const before = Socket.last;
  before.drop(code, 'shutdown');
  while (Socket.last === before) clock.pass(100);
  const socket = Socket.last;
  socket.open();
  const [[connect, ...rest]] = socket.taken();
  socket.push({id: connect.id, connect: {client: 'c2', ping: 25, pong: true}});
  return {socket, rest};
}

const pub = (data, offset, channel = 'news') => ({push: {channel, pub: {data, offset}}});

test('connects and subscribes in one frame, and hears messages in order', () => {
  const {hub, socket, heard, connect, subscribe} = connected();
  assert.equal(socket.url, 'ws://hub/connection/websocket');
  assert.deepEqual(connect.connect.data, {name: 'Ada'});
  assert.deepEqual(subscribe.subscribe, {channel: 'news', data: {name: 'Ada'}, join_leave: false, positioned: true, recoverable: true});
  assert.equal(hub.state, 'connected');
  assert.equal(hub.id, 'c1');
  socket.push(pub('one', 6), pub('elsewhere', 7, 'other'), pub('two', 8));
  assert.deepEqual(heard, ['one', 'two']);
});

test('a message in the same frame as the answer to its subscribe is heard', () => {
  const {hub, socket} = connected();
  const heard = [];
  hub.subscribe('late').on('message', ({data}) => heard.push(data));
  const [[{id}]] = socket.taken();
  socket.push({id, subscribe: {recoverable: true, epoch: EPOCH}}, pub('at once', 1, 'late'));
  assert.deepEqual(heard, ['at once']);
});

test('goes on after a loss with what was missed, and says how much that was', () => {
  const {hub, sub, socket, heard} = connected();
  const events = [];
  for (const type of ['subscribed', 'recovered', 'suspended']) sub.on(type, (detail) => events.push([type, detail]));
  hub.on('resumed', (detail) => events.push(['resumed', detail]));
  socket.push(pub('before', 9));
  const again = reconnected();
  const [subscribe, marker] = again.rest;
  assert.deepEqual(
    [subscribe.subscribe.recover, subscribe.subscribe.offset, subscribe.subscribe.epoch], [true, 9, EPOCH]);
  const publications = [{data: 'missed 1', offset: 11}, {data: 'missed 2', offset: 14}];
  again.socket.push({id: subscribe.id, subscribe: {recoverable: true, epoch: EPOCH, offset: 9, recovered: true, publications}});
  again.socket.push(pub('missed 3', 20));
  again.socket.push({id: marker.id, history: {offset: 20, epoch: EPOCH}});
  again.socket.push(pub('live', 21));
  assert.deepEqual(heard, ['before', 'missed 1', 'missed 2', 'missed 3', 'live']);
  assert.deepEqual(events, [
    ['suspended', null], ['subscribed', true], ['recovered', 3],
    ['resumed', {channel: 'news', recovered: true, count: 3}],
  ]);
  assert.deepEqual(sub.position, {offset: 21, epoch: EPOCH});
});

test('says so if history did not reach back, and goes on from the hub’s position', () => {
  const {hub, sub} = connected();
  const resumed = [];
  hub.on('resumed', (detail) => resumed.push(detail));
  const {socket, rest: [subscribe, marker]} = reconnected();
  socket.push({id: subscribe.id, subscribe: {recoverable: true, epoch: 'e2', offset: 3}}, {id: marker.id, history: {}});
  assert.deepEqual(resumed, [{channel: 'news', recovered: false, count: 0}]);
  assert.deepEqual(sub.position, {offset: 3, epoch: 'e2'});
});

test('waits at random, longer each time, between half a second and 20 seconds', () => {
  for (const [luck, waits] of [[0, [500, 500, 500]], [0.999999, [1_000, 1_500, 2_500, 4_500, 8_500, 16_500, 20_000, 20_000]]]) {
    clock = new Clock();
    const {hub, socket} = connected();
    const seconds = [];
    hub.on('countdown', (detail) => seconds.push(detail.seconds));
    random(luck);
    socket.drop(1006);
    for (const wait of waits) {
      const before = Socket.all.length;
      clock.pass(wait - 2);
      assert.equal(Socket.all.length, before, `connects before ${wait} ms`);
      clock.pass(4);
      assert.equal(Socket.all.length, before + 1, `does not connect after ${wait} ms`);
      Socket.last.drop(1006);
    }
    random();
    assert.equal(Math.max(...seconds), Math.ceil(Math.max(...waits) / 1000));
  }
});

test('connects at once when asked to', () => {
  const {hub, socket} = connected();
  socket.drop(1006);
  const before = Socket.all.length;
  hub.connect();
  hub.connect();
  assert.equal(Socket.all.length, before + 1);
  clock.pass(4_000);
  assert.equal(Socket.all.length, before + 1, 'the scheduled attempt is off');
});

test('stops where the hub refuses it, with the reason', () => {
  for (const code of [3500, 3501, 3999, 4500, 1009]) {
    clock = new Clock();
    const {hub, socket} = connected();
    const states = [];
    hub.on('state', (detail) => states.push(detail));
    const before = Socket.all.length;
    socket.drop(code, 'not you');
    clock.pass(60_000);
    assert.deepEqual(states, [{state: 'refused', reason: 'not you', code}]);
    assert.equal(Socket.all.length, before);
    hub.connect();
    assert.equal(Socket.all.length, before + 1, 'can be asked to try again');
  }
});

test('an error of connect is a refusal unless it is temporary', () => {
  for (const [error, state] of [[{code: 103, message: 'no'}, 'refused'], [{code: 100, message: 'later', temporary: true}, 'waiting']]) {
    const hub = new Fanfold('ws://hub/');
    hub.connect();
    Socket.last.open();
    const [[{id}]] = Socket.last.taken();
    Socket.last.push({id, error});
    assert.equal(hub.state, state);
  }
});

/** What a client hears whose connect is answered by an error. */
function refusedBy(error) {
  const hub = new Fanfold('ws://hub/');
  const states = [];
  hub.on('state', (detail) => states.push(detail));
  hub.connect();
  Socket.last.open();
  const [[{id}]] = Socket.last.taken();
  Socket.last.push({id, error});
  return states.at(-1);
}

test('says whether a refusal asks for a credential, in the words of the hub', () => {
  for (const code of [101, 103, 109]) {
    const refused = refusedBy({code, message: 'a token is needed'});
    assert.deepEqual(refused, {state: 'refused', reason: 'a token is needed', code});
    assert.ok(needsCredential(refused.code));
  }
  assert.ok(needsCredential(3500), 'the end of a connection says so too');
  for (const [token, asked] of [['', true], ['t1', false]]) {
    const hub = new Fanfold('ws://hub/');
    hub.token = token;
    let code = 0;
    hub.on('state', (detail) => (code = detail.code));
    hub.connect();
    Socket.last.open();
    Socket.last.drop(3501, 'connect brings no token');
    assert.equal(needsCredential(code), asked, 'a bad request without a token needs one');
  }
  for (const error of [{code: 107, message: 'bad request'}, {code: 100, message: 'later', temporary: true}]) {
    assert.ok(!needsCredential(refusedBy(error).code), error.message);
  }
});

test('shows its token to the hub alone, in connect, and another from the next connection on', () => {
  const {hub, sub, socket, connect, heard} = connected();
  assert.ok(!('token' in connect.connect));
  hub.reconnectAs('t1');
  assert.equal(socket.readyState, 3, 'the old connection is closed');
  const again = Socket.last;
  assert.ok(!again.url.includes('t1'));
  again.open();
  const [[greeting, subscribe]] = again.taken();
  assert.equal(greeting.connect.token, 't1');
  assert.deepEqual([subscribe.subscribe.recover, subscribe.subscribe.offset], [true, 5], 'nothing is missed');
  again.push({id: greeting.id, connect: {client: 'c2', expires: true, ttl: 60}});
  assert.equal(hub.expires, Date.now() + 60_000);
  again.push({id: subscribe.id, subscribe: {recoverable: true, epoch: EPOCH, offset: 5, recovered: true, publications: [{data: 'meanwhile', offset: 6}]}});
  assert.deepEqual([sub.state, heard], ['subscribed', ['meanwhile']]);
  const {socket: third} = reconnected();
  assert.equal(hub.expires, 0, 'a token that does not expire');
  assert.equal(third.readyState, 1);
});

test('tells that a grant is missing, and whoever asked too', async () => {
  const {hub, socket} = connected();
  let denied = 0;
  hub.on('denied', () => denied++);
  const publishing = assert.rejects(hub.publish('secret', 1), {code: 103, message: 'you may not'});
  const reading = assert.rejects(hub.history('news', {limit: 1}), {code: 108});
  const [[{id}], [{id: other}]] = socket.taken();
  socket.push({id, error: {code: 103, message: 'you may not'}}, {id: other, error: {code: 108, message: 'not available'}});
  await Promise.all([publishing, reading]);
  assert.equal(denied, 1);
});

test('a call fails at once without a connection, on its loss, and after 5 seconds', async () => {
  const idle = new Fanfold('ws://hub/');
  await assert.rejects(idle.publish('news', 1), {code: NO_CONNECTION});
  const {hub, socket} = connected();
  const late = assert.rejects(hub.publish('news', 1), {code: NO_ANSWER, message: /within 5 s/});
  clock.pass(5_001);
  await late;
  const cut = assert.rejects(hub.publish('news', 1), {code: NO_CONNECTION, message: /before the hub answered/});
  socket.drop(1006);
  await cut;
});

test('calls resolve to their results and reject with the hub’s errors', async () => {
  const {hub, socket} = connected();
  const calls = [hub.publish('news', {a: 1}), hub.history('news', {limit: 2, reverse: true, since: {offset: 9, epoch: EPOCH}}),
    hub.presence('news'), hub.rpc('casefold', 'A'), hub.publish('closed', 1)];
  const [[publish], [history], [presence], [rpc], [denied]] = socket.taken();
  assert.deepEqual(publish.publish, {channel: 'news', data: {a: 1}});
  assert.deepEqual(history.history, {channel: 'news', limit: 2, reverse: true, since: {offset: 9, epoch: EPOCH}});
  socket.push({id: rpc.id, rpc: {data: 'a'}}, {id: publish.id, publish: {}}, {id: history.id, history: {offset: 9}},
    {id: presence.id, presence: {presence: {c1: {client: 'c1'}}}}, {id: denied.id, error: {code: 103, message: 'permission denied'}});
  assert.deepEqual(await calls[0], {});
  assert.deepEqual(await calls[1], []);
  assert.deepEqual(await calls[2], [{client: 'c1'}]);
  assert.equal(await calls[3], 'a');
  await assert.rejects(calls[4], {code: 103, message: 'permission denied'});
});

test('a client can be spared its own message', () => {
  const {hub, socket} = connected();
  hub.publish('live', 1, {excludeSelf: true}).catch(() => {});
  hub.publish('live', 2).catch(() => {});
  const [[spared], [told]] = socket.taken();
  assert.deepEqual([spared.publish, told.publish], [{channel: 'live', data: 1, exclude_self: true}, {channel: 'live', data: 2}]);
});

test('answers pings, and gives up a hub that falls silent', () => {
  const {hub, socket} = connected();
  clock.pass(30_000);
  socket.push({});
  assert.deepEqual(socket.taken(), [[{}]]);
  clock.pass(34_900);
  assert.equal(hub.state, 'connected');
  clock.pass(200);
  assert.equal(hub.state, 'waiting');
  assert.equal(socket.readyState, 3);
});

test('gives up a connection that is not answered', () => {
  const hub = new Fanfold('ws://hub/');
  hub.connect();
  clock.pass(5_001);
  assert.equal(hub.state, 'waiting');
});

test('starts anew after a frame that is no JSON', () => {
  const {hub, socket} = connected();
  socket.onmessage({data: '{"push"'});
  assert.equal(hub.state, 'waiting');
});

test('a subscription that is refused ends; one that fails for now is tried again', () => {
  const {hub, socket} = connected();
  const ended = [];
  hub.subscribe('closed').on('ended', ({code, message}) => ended.push([code, message]));
  hub.subscribe('busy').on('ended', () => assert.fail('it ended'));
  const [[closed], [busy]] = socket.taken();
  socket.push({id: closed.id, error: {code: 103, message: 'permission denied'}}, {id: busy.id, error: {code: 100, message: 'internal', temporary: true}});
  assert.deepEqual(ended, [[103, 'permission denied']]);
  clock.pass(1_000);
  assert.deepEqual(socket.taken().flat().map(({subscribe}) => subscribe.channel), ['busy']);
  const {rest} = reconnected();
  assert.deepEqual(rest.filter(({subscribe}) => subscribe).map(({subscribe}) => subscribe.channel), ['news', 'busy']);
});

test('obeys when the hub ends a subscription, and recovers if it may', () => {
  const {hub, sub, socket} = connected();
  socket.push({push: {channel: 'news', unsubscribe: {code: 2500, reason: 'insufficient state'}}});
  clock.pass(1_000);
  const [[{subscribe}]] = socket.taken();
  assert.deepEqual([subscribe.recover, subscribe.offset], [true, 5]);
  assert.equal(sub.state, 'subscribing');
  const other = hub.subscribe('other');
  const [[{id}]] = socket.taken();
  let reason = '';
  other.on('ended', (error) => (reason = error.message));
  socket.push({id, subscribe: {recoverable: true, epoch: EPOCH}}, {push: {channel: 'other', unsubscribe: {code: 2000, reason: 'server'}}});
  assert.equal(reason, 'server');
});

test('renewing loses and doubles nothing', () => {
  const {hub, sub, socket, heard} = connected();
  socket.push(pub('one', 6));
  hub.renew(sub, {name: 'Bob'});
  const [[unsubscribe, subscribe, marker]] = socket.taken();
  assert.deepEqual(unsubscribe.unsubscribe, {channel: 'news'});
  assert.deepEqual([subscribe.subscribe.data, subscribe.subscribe.offset], [{name: 'Bob'}, 6]);
  socket.push(pub('under way', 7));
  socket.push({id: unsubscribe.id, unsubscribe: {}},
    {id: subscribe.id, subscribe: {recoverable: true, epoch: EPOCH, offset: 6, recovered: true, publications: [{data: 'under way', offset: 7}]}},
    {id: marker.id, history: {}}, pub('two', 8));
  assert.deepEqual(heard, ['one', 'under way', 'two']);
});

test('renewing while it is subscribing takes effect afterwards', () => {
  const {hub, socket} = connected();
  const sub = hub.subscribe('late', {data: 1});
  hub.renew(sub, 2);
  const [[{id}]] = socket.taken();
  socket.push({id, subscribe: {recoverable: true, epoch: EPOCH}});
  const [[, subscribe]] = socket.taken();
  assert.equal(subscribe.subscribe.data, 2);
});

test('who wants to hear of joins and leaves while connected asks once', () => {
  const {hub, socket} = connected();
  hub.subscribe('chat', {joinLeave: true});
  const [[{id, subscribe}]] = socket.taken();
  assert.equal(subscribe.join_leave, true);
  socket.push({id, subscribe: {recoverable: true, epoch: EPOCH}});
  assert.deepEqual(socket.taken(), []);
});

test('a shared subscription ends with its last user', () => {
  const {hub, sub, socket} = connected();
  assert.equal(hub.subscribe('news', {joinLeave: true}), sub);
  assert.deepEqual(socket.taken()[0].map((command) => Object.keys(command)[1]), ['unsubscribe', 'subscribe', 'history']);
  assert.equal(sub.joinLeave, true);
  hub.unsubscribe(sub);
  assert.deepEqual(socket.taken(), []);
  hub.unsubscribe(sub);
  assert.deepEqual(socket.taken().flat().map(({unsubscribe}) => unsubscribe.channel), ['news']);
  assert.equal(sub.state, 'ended');
});
