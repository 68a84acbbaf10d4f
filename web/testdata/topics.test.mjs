import assert from 'node:assert/strict';
import {test} from 'node:test';
import {age, curve, numberIn, Topics} from './gallery/topics.js';

const shape = (topics, filter) => topics.rows(filter).map(({key, level, topic, open}) =>
  `${'  '.repeat(level - 1)}${key}${topic ? ` = ${topic.text}` : ''}${open === null ? '' : open ? ' -' : ' +'}`);

test('channels are a tree, in order, with what was published last', () => {
  const topics = new Topics();
  for (const [channel, text] of [['mqtt.b', '1'], ['mqtt.a10', '2'], ['mqtt.a2.x', '3'], ['mqtt.a2', '4'], ['amqp.q', '5'], ['mqtt.b', '6']]) {
    topics.take(channel, text, 1);
  }
  assert.deepEqual(shape(topics), ['amqp -', '  amqp.q = 5', 'mqtt -', '  mqtt.a2 = 4 -', '    mqtt.a2.x = 3', '  mqtt.a10 = 2', '  mqtt.b = 6']);
  assert.equal(topics.get('mqtt.b').count, 2);
});

test('what is below a closed node is hidden, unless a filter asks for it', () => {
  const topics = new Topics();
  for (const channel of ['mqtt.house.kitchen', 'mqtt.house.hall', 'mqtt.garden']) topics.take(channel, 'x', 1);
  topics.toggle('mqtt.house');
  assert.deepEqual(shape(topics), ['mqtt -', '  mqtt.garden = x', '  mqtt.house +']);
  assert.deepEqual(shape(topics, ' KIT '), ['mqtt -', '  mqtt.house -', '    mqtt.house.kitchen = x']);
  assert.deepEqual(shape(topics, 'none'), []);
  topics.toggle('mqtt.house');
  assert.equal(topics.rows().length, 5);
  assert.equal(topics.rows()[0].below, 3);
});

test('the rows stay the same as long as only messages come', () => {
  const topics = new Topics(3);
  for (const channel of ['a.b', 'a.c']) topics.take(channel, '1', 1);
  const rows = topics.rows();
  topics.take('a.b', '2', 2);
  assert.equal(topics.rows(), rows);
  assert.equal(rows[1].topic.text, '2');
  for (const change of [() => topics.take('d', '', 3), () => topics.toggle('a'), () => topics.forget('d'), () => ['x', 'y', 'z'].forEach((c) => topics.take(c, '', 4))]) {
    const before = topics.rows();
    change();
    assert.notEqual(topics.rows(), before);
  }
});

test('the longest silent are dropped, and counted', () => {
  const topics = new Topics(3);
  for (const channel of ['a', 'b', 'c', 'a', 'd', 'e']) topics.take(channel, channel, 1);
  assert.deepEqual(topics.rows().map(({key}) => key), ['a', 'd', 'e']);
  assert.equal(topics.dropped, 2);
});

test('what is kept of a topic is bounded', () => {
  const topics = new Topics();
  for (let i = 0; i < 10_000; i++) topics.take('a', String(i), i, i);
  topics.take('a', 'x'.repeat(100_000), 10_000);
  const {recent, numbers, text, count} = topics.get('a');
  assert.deepEqual([recent.length, numbers.length, text.length, count], [20, 40, 500, 10_001]);
  assert.deepEqual([recent[0].text, recent[0].offset, numbers.at(-1)], ['9981', 9981, 9999]);
});

test('what is forgotten can come again', () => {
  const topics = new Topics();
  for (const channel of ['mqtt.a', 'amqp.a', 'mqtt.b']) topics.take(channel, '', 1, 9);
  topics.forget('mqtt.');
  assert.deepEqual(topics.rows().map(({key}) => key), ['amqp', 'amqp.a']);
  assert.equal(topics.take('mqtt.a', '', 2, 1).count, 1);
});

test('a rate is of lately', () => {
  const topics = new Topics();
  for (let time = 0; time <= 60_000; time += 100) topics.take('a', '', time);
  const rate = (now) => topics.rate(topics.get('a'), now);
  assert.ok(Math.abs(rate(60_000) - 10) < 0.2, `10 a second are ${rate(60_000)}`);
  assert.ok(rate(65_000) < 4 && rate(120_000) < 0.01 && rate(0) <= 10.2);
});

test('numbers, also with a unit', () => {
  for (const [text, number] of [['21.5', 21.5], [' -3 ', -3], ['1e3', 1000], ['21.5 °C', 21.5], ['40%', 40], ['0', 0]]) {
    assert.equal(numberIn(text), number);
  }
  for (const text of ['', 'on', '12:30', '1 2 3', '{"a":1}', '2026-01-01T00:00:00Z', '1e999', 'NaN']) assert.equal(numberIn(text), null, text);
});

test('a curve fills its box', () => {
  assert.equal(curve([1], 10, 4), '');
  assert.equal(curve([0, 5, 10], 10, 4), '0.0,4.0 5.0,2.0 10.0,0.0');
  assert.equal(curve([7, 7], 10, 4), '0.0,2.0 10.0,2.0');
});

test('ages', () => {
  assert.deepEqual([-500, 0, 59_400, 60_000, 7_200_000, 172_800_000].map(age), ['0 s', '0 s', '59 s', '1 min', '2 h', '2 d']);
});
