import assert from 'node:assert/strict';
import {test} from 'node:test';
import {Clock} from './fake.mjs';
import {Typing, sentence} from './gallery/typing.js';

/** A room with the reader in it, as client me. */
function room() {
  const clock = new Clock();
  const published = [];
  const listeners = {};
  const sub = {missed: null, on: (event, listener) => (listeners[event] = listener)};
  const hub = {
    id: 'me',
    subscribe: () => sub,
    unsubscribe: () => {},
    publish: async (channel, data) => void published.push(data.typing),
  };
  const seen = {text: ''};
  const typing = new Typing(hub, 'lobby', {name: 'Ada'}, (text) => (seen.text = text));
  const hear = (client, on, name = client) => listeners.message({data: {typing: on}, info: {client, conn_info: {name}}});
  return {clock, published, listeners, seen, sub, typing, hear};
}

test('says that one types now and then, and at once that one has stopped', () => {
  const {clock, published, typing} = room();
  for (const text of ['h', 'he', 'hey']) typing.typed(text);
  assert.deepEqual(published, [true]);
  clock.pass(2_000);
  typing.typed('hey y');
  typing.typed('');
  typing.typed('');
  assert.deepEqual(published, [true, true, false]);
});

test('shows others until they stop, fall silent or the connection is lost', () => {
  const {clock, listeners, seen, sub, hear} = room();
  hear('me', true);
  assert.equal(seen.text, '');
  hear('b', true, 'Bob');
  clock.pass(4_000);
  hear('b', true, 'Bob');
  hear('c', true, 'Cleo');
  clock.pass(4_000);
  assert.equal(seen.text, 'Bob and Cleo are typing…');
  hear('c', false);
  assert.equal(seen.text, 'Bob is typing…');
  clock.pass(1_000);
  assert.equal(seen.text, '');
  hear('b', true, 'Bob');
  listeners.suspended();
  assert.equal(seen.text, '');
  sub.missed = 1;
  hear('b', true, 'Bob');
  assert.equal(seen.text, '', 'what one missed is over');
});

test('keeps account of so many people only, and names two', () => {
  const {seen, hear} = room();
  for (let i = 0; i < 200; i++) hear(`c${i}`, true, `Name ${i}`);
  assert.equal(seen.text, 'Name 0, Name 1 and 48 more are typing…');
  assert.equal(sentence([]), '');
});
