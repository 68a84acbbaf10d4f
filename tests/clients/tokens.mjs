// The real Centrifuge SDK with tokens, as an application's server signs them.
// Usage: node tokens.mjs URL SECRET KEY
// for a hub that verifies with SECRET, without leeway, and whose server API takes KEY.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { Centrifuge } from 'centrifuge';
import WebSocket from 'ws';
import { once } from './common.mjs';

const [url, secret, key] = process.argv.slice(2);

/** Signs a JWT (RFC 7515 §3.1). */
function sign(claims, by = secret) {
  const text = [{ alg: 'HS256', typ: 'JWT' }, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  return text + '.' + createHmac('sha256', by).update(text).digest('base64url');
}

/** The time in so many seconds, as tokens write it. */
const inSeconds = (n) => Math.floor(Date.now() / 1000) + n;

/** Calls the server API. */
async function api(method, request) {
  const response = await fetch(`${url}/api/${method}`, { method: 'POST', headers: { 'X-API-Key': key }, body: JSON.stringify(request) });
  const { result, error } = await response.json();
  assert.equal(error, undefined, `${method} answers ${JSON.stringify(error)}`);
  return result;
}

/** A client that has not connected yet. What happens to it is in its log. */
function newClient(options) {
  const client = new Centrifuge(url.replace(/^http/, 'ws') + '/connection/websocket', {
    websocket: WebSocket, minReconnectDelay: 50, maxReconnectDelay: 200, ...options,
  });
  client.log = [];
  client.on('error', ({ type, error }) => client.log.push(`${type} error ${error.code}`));
  client.on('connected', () => client.log.push('connected'));
  client.on('connecting', ({ code }) => code >= 3000 && client.log.push(`lost ${code}`));
  return client;
}

/** Waits until a condition holds that events bring about. */
async function until(what, holds) {
  for (const end = Date.now() + 50_000; !holds();) {
    assert.ok(Date.now() < end, `late: ${what()}`);
    await new Promise((resolve) => { setTimeout(resolve, 20); });
  }
}

/** A function for getToken that counts its calls and answers each in turn by the
 *  claims of a list, the last one again and again; null never answers. */
function tokens(...claims) {
  const get = async () => {
    const next = claims[Math.min(get.calls++, claims.length - 1)]();
    return next === null ? new Promise(() => {}) : sign(next);
  };
  get.calls = 0;
  return get;
}

const tests = {
  async 'a connection is refreshed before its token expires, and stays'() {
    const getToken = tokens(() => ({ sub: 'fresh', exp: inSeconds(2) }));
    const client = newClient({ getToken });
    client.connect();
    await until(() => `${getToken.calls} tokens, ${client.log}`, () => getToken.calls >= 4);
    assert.deepEqual(client.log, ['connected']);
    client.disconnect();
  },

  async 'a subscription is refreshed before its token expires, and stays'() {
    const client = newClient({ token: sign({ sub: 'room', info: { name: 'Ann' }, publish: ['room.1'] }) });
    const getToken = tokens(() => ({ sub: 'room', channel: 'room.1', info: { seat: 4 }, exp: inSeconds(2) }));
    const room = client.newSubscription('room.1', { getToken, data: { seat: 'the best' } });
    const log = [];
    for (const kind of ['subscribed', 'subscribing', 'unsubscribed', 'error']) room.on(kind, () => log.push(kind));
    room.subscribe();
    client.connect();
    await until(() => `${getToken.calls} tokens, ${log}`, () => getToken.calls >= 4);
    const publication = once(room, 'publication');
    await room.publish('hello');
    const { info } = await publication;
    assert.deepEqual([info.user, info.connInfo, info.chanInfo], ['room', { name: 'Ann' }, { seat: 4 }]);
    assert.deepEqual(log, ['subscribing', 'subscribed']);
    client.disconnect();
  },

  async 'an expired token is replaced by a new one'() {
    const old = { sub: 'old', exp: inSeconds(-1000) };
    const client = newClient({ token: sign(old), getToken: tokens(() => ({ sub: 'old' })) });
    const getToken = tokens(() => ({ ...old, channel: 'room.2' }), () => ({ sub: 'old', channel: 'room.2' }));
    const room = client.newSubscription('room.2', { getToken, minResubscribeDelay: 50 });
    const errors = [];
    room.on('error', ({ error }) => errors.push(error));
    room.subscribe();
    client.connect();
    await once(room, 'subscribed');
    assert.deepEqual(client.log, ['connect error 109', 'connected']);
    assert.deepEqual(errors.map(({ code }) => code), [109]);
    assert.match(errors[0].message, /the token expired 17 min ago/);
    client.disconnect();
  },

  async 'a token that is not good ends the connection, and says why'() {
    const room = (claims) => ['room', sign({ sub: 'mine', channel: 'room', ...claims })];
    for (const [token, code, reason, [channel, subscription] = []] of [
      ['', 3501, /this hub needs one/],
      [sign({ sub: 'mine' }, 'another secret, also of 32 bytes.'), 3500, /the token's signature is not of this server's key/],
      [sign({ sub: 'mine' }).replace(/[^.]+$/, ''), 3500, /no signature/],
      [sign({ sub: 'mine', nbf: inSeconds(1000) }), 3500, /not valid yet/],
      [sign({ sub: 'mine', channels: 'news' }), 3500, /channels must be a list/],
      [sign({ sub: 'mine', channel: 'room' }), 3500, /this is a token for a subscription/],
      [sign({ sub: 'mine' }), 3500, /for the user \(sub\) "yours"/, room({ sub: 'yours' })],
      [sign({ sub: 'mine' }), 3500, /for the channel "hall"/, room({ channel: 'hall' })],
      [sign({ sub: 'mine' }), 3500, /for another connection/, room({ client: 'x' })],
    ]) {
      const client = newClient({ token });
      if (channel) client.newSubscription(channel, { token: subscription }).subscribe();
      client.connect();
      const ended = await once(client, 'disconnected');
      assert.equal(ended.code, code);
      assert.match(ended.reason, reason);
      assert.ok(Buffer.byteLength(ended.reason) <= 123);
    }
  },

  async 'what no grant covers is denied, and said so'() {
    const client = newClient({ token: sign({ sub: 'ann', subscribe: ['user.{user}.>'], publish: ['user.{user}.inbox'] }) });
    client.connect();
    await client.ready();
    for (const channel of ['user.bob.inbox', 'user.>', '*']) {
      const denied = client.newSubscription(channel);
      denied.subscribe();
      const { code, reason } = await once(denied, 'unsubscribed');
      assert.deepEqual([code, reason], [103, `you may not subscribe to "${channel}": no subscribe grant of yours covers it`]);
    }
    await assert.rejects(client.publish('user.ann.outbox', 1), { code: 103, message: /no publish grant/ });
    await assert.rejects(client.presence('user.ann.inbox'), { code: 103, message: /no presence grant/ });
    await assert.rejects(client.history('user.ann.inbox', { limit: 1 }), { code: 103, message: /no history grant/ });
    const own = client.newSubscription('user.ann.>');
    own.subscribe();
    await once(own, 'subscribed');
    const publication = once(own, 'publication');
    await client.publish('user.ann.inbox', 'mine');
    assert.equal((await publication).data, 'mine');
    client.disconnect();
  },

  async 'channels of the token are subscribed by the server, and recovered'() {
    const client = newClient({ token: sign({ sub: 'served', channels: ['served.a'], subs: { 'served.b': {} } }), minReconnectDelay: 500, maxReconnectDelay: 600 });
    const got = [];
    const subscribed = [];
    client.on('publication', ({ channel, data }) => got.push(`${channel} ${data}`));
    client.on('subscribed', (event) => subscribed.push(event));
    client.connect();
    await until(() => `${subscribed.length} channels`, () => subscribed.length === 2);
    await api('publish', { channel: 'served.a', data: 1 });
    await api('publish', { channel: 'served.b', data: 1 });
    await until(() => `${got}`, () => got.length === 2);
    await api('disconnect', { user: 'served', disconnect: { code: 3000, reason: 'come back' } });
    for (const data of [2, 3]) await api('publish', { channel: 'served.a', data });
    await until(() => `${subscribed.length} channels`, () => subscribed.length === 4);
    await api('publish', { channel: 'served.a', data: 4 });
    await until(() => `${got}`, () => got.includes('served.a 4'));
    assert.deepEqual(got.filter((line) => line.startsWith('served.a')), [1, 2, 3, 4].map((n) => `served.a ${n}`));
    assert.deepEqual(subscribed.slice(2).map((event) => [event.wasRecovering, event.recovered]), [[true, true], [true, true]]);
    assert.deepEqual(client.log, ['connected', 'lost 3000', 'connected']);
    client.disconnect();
  },

  async 'a server subscribes a user, and has a connection renewed'() {
    const client = newClient({ token: sign({ sub: 'guest' }) });
    client.connect();
    await client.ready();
    const subscribed = once(client, 'subscribed');
    await api('subscribe', { user: 'guest', channel: 'lobby', data: { why: 'invited' } });
    assert.deepEqual([(await subscribed).channel, (await subscribed).data], ['lobby', { why: 'invited' }]);
    const publication = once(client, 'publication');
    await api('publish', { channel: 'lobby', data: 'welcome' });
    assert.equal((await publication).data, 'welcome');
    const unsubscribed = once(client, 'unsubscribed');
    await api('unsubscribe', { user: 'guest', channel: 'lobby' });
    assert.equal((await unsubscribed).channel, 'lobby');
    await api('refresh', { user: 'guest', expired: true });
    await until(() => `${client.log}`, () => client.log.length === 3);
    assert.deepEqual(client.log, ['connected', 'lost 3005', 'connected']);
    client.disconnect();
  },

  async 'who is revoked comes back with a new token, or not with that one'() {
    const getToken = tokens(() => ({ sub: 'out', iat: inSeconds(-60) }), () => ({ sub: 'out', iat: inSeconds(0) }));
    const again = newClient({ getToken });
    const never = newClient({ token: sign({ sub: 'lost', jti: 'lost' }), getToken: tokens(() => ({ sub: 'lost' })) });
    for (const client of [again, never]) {
      client.connect();
      await client.ready();
    }
    await api('revoke', { user: 'out', before: inSeconds(0) });
    await until(() => `${again.log}`, () => again.log.filter((line) => line === 'connected').length === 2);
    assert.deepEqual(again.log.slice(0, 3), ['connected', 'lost 3005', 'connect error 109']);
    assert.equal(getToken.calls, 2);
    const ended = once(never, 'disconnected');
    await api('revoke', { token_id: 'lost' });
    assert.deepEqual([(await ended).code, (await ended).reason], [3500, 'invalid token: it was revoked']);
    again.disconnect();
  },

  async 'who brings no new token in time is disconnected, and comes back with one'() {
    const getToken = tokens(() => ({ sub: 'late', exp: inSeconds(2) }), () => null, () => ({ sub: 'late' }));
    const client = newClient({ getToken });
    const begun = Date.now();
    client.connect();
    await until(() => `${client.log}`, () => client.log.filter((line) => line === 'connected').length === 2);
    assert.deepEqual(client.log.slice(0, 3), ['connected', 'lost 3005', 'connect error 109']);
    assert.ok(Date.now() - begun > 25_000, `disconnected after ${Date.now() - begun} ms`);
    client.disconnect();
  },

  async 'a subscription without a new token in time ends, and comes back with one'() {
    const client = newClient({ token: sign({ sub: 'slow' }) });
    const claims = { sub: 'slow', channel: 'room.3' };
    const getToken = tokens(() => ({ ...claims, exp: inSeconds(2) }), () => null, () => claims);
    const room = client.newSubscription('room.3', { getToken, minResubscribeDelay: 50 });
    const log = [];
    room.on('subscribing', ({ code }) => log.push(code));
    room.on('error', ({ error }) => log.push(error.code));
    room.on('subscribed', () => log.push('subscribed'));
    room.subscribe();
    client.connect();
    await until(() => `${log}`, () => log.length >= 5);
    assert.deepEqual(log, [0, 'subscribed', 2501, 109, 'subscribed']);
    assert.deepEqual(client.log, ['connected']);
    client.disconnect();
  },
};

await Promise.all(Object.entries(tests).map(([name, test]) => test().then(
  () => console.log(`ok ${name}`),
  (err) => console.log(`FAILED ${name}: ${JSON.stringify(err.stack)}`),
)));
process.exit(0); // whatever a failed test has left open
