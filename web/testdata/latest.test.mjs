import assert from 'node:assert/strict';
import {test} from 'node:test';
import {Latest} from './gallery/latest.js';

/** A hub whose answers the test gives. */
function slow() {
  const calls = [];
  const shown = [];
  const latest = new Latest(
    (text) => new Promise((resolve, reject) => calls.push({text, resolve, reject})),
    (text, answer, error) => shown.push(error ? `${text}: ${error.message}` : `${text}: ${answer}`),
  );
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  return {calls, shown, latest, settle};
}

test('one call at a time, then the newest text, and no older answer', async () => {
  const {calls, shown, latest, settle} = slow();
  for (const text of ['s', 'sn', 'sno', 'snow']) latest.want(text);
  assert.deepEqual(calls.map(({text}) => text), ['s']);
  calls[0].resolve('many');
  await settle();
  assert.deepEqual(calls.map(({text}) => text), ['s', 'snow']);
  assert.deepEqual(shown, []);
  calls[1].resolve('few');
  await settle();
  assert.deepEqual(shown, ['snow: few']);
  latest.want('snowm');
  calls[2].resolve('one');
  await settle();
  assert.deepEqual(shown, ['snow: few', 'snowm: one']);
  assert.equal(calls.length, 3);
});

test('an error is shown like an answer, an older one never', async () => {
  const {calls, shown, latest, settle} = slow();
  latest.want('a');
  latest.want('b');
  calls[0].reject(new Error('old'));
  await settle();
  calls[1].reject(new Error('new'));
  await settle();
  assert.deepEqual(shown, ['b: new']);
});

test('a text typed again while it is asked for is asked once', async () => {
  const {calls, shown, latest, settle} = slow();
  latest.want('a');
  latest.want('ab');
  latest.want('a');
  calls[0].resolve('it');
  await settle();
  assert.deepEqual(shown, ['a: it']);
  assert.equal(calls.length, 1);
});

test('showing may ask again', async () => {
  const calls = [];
  const latest = new Latest(async (text) => calls.push(text), (text) => calls.length < 3 && latest.want(text));
  latest.want('again');
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(calls, ['again', 'again', 'again']);
});
