import assert from 'node:assert/strict';
import {test} from 'node:test';
import {Loads, Samples} from './gallery/samples.js';

const at = (n) => 1_000_000 + n * 1000;
const sample = (n, load, run = 'one') => ({run, n, time: at(n), values: {total: load}});
const history = (first, loads, run = 'one') => ({run, first, times: loads.map((_, i) => at(first + i)), topics: {cpu: {total: loads}}});
const totals = (samples) => samples.columns('cpu').columns.get('total') ?? [];

test('what came live and what was kept is joined by its numbers, each once', () => {
  const samples = new Samples();
  for (const n of [4, 5]) samples.add('cpu', sample(n, n)); // came before the answer
  samples.addHistory(history(2, [2, 3, 4]));
  for (const n of [6, 6, 7]) samples.add('cpu', sample(n, n));
  samples.add('memory', {...sample(7, 0), values: {used: 1}});
  assert.deepEqual(totals(samples), [2, 3, 4, 5, 6, 7]);
  assert.equal(samples.count, 6);
  assert.equal(samples.missing, 0);
  assert.deepEqual(samples.columns('memory').columns.get('used'), [null, null, null, null, null, 1]);
});

test('what was missed comes later, in its place; until then it is missing', () => {
  const samples = new Samples();
  samples.addHistory(history(1, [1, 2]));
  samples.add('cpu', sample(6, 6));
  assert.equal(samples.missing, 3);
  assert.deepEqual(totals(samples), [1, 2, null, 6], 'no line leads over what is missing');
  samples.addHistory(history(1, [1, 2, 3, 4, 5, 6]));
  assert.equal(samples.missing, 0);
  assert.deepEqual(totals(samples), [1, 2, 3, 4, 5, 6]);
});

test('numbers begin anew when the hub does, and what was before stays', () => {
  const samples = new Samples();
  samples.addHistory(history(7, [7, 8]));
  samples.addHistory({...history(1, [1]), run: 'two', times: [at(20)]});
  samples.add('cpu', {...sample(2, 2, 'two'), time: at(21)});
  samples.add('cpu', sample(9, 99, 'one'));
  assert.deepEqual(totals(samples), [7, 8, null, 1, 2]);
  assert.equal(samples.missing, 0);
});

test('five minutes are kept, and junk is not taken', () => {
  const samples = new Samples();
  samples.addHistory(history(1, Array.from({length: 300}, (_, i) => i)));
  for (let n = 301; n < 350; n++) samples.add('cpu', sample(n, n));
  for (const junk of [null, 7, 'x', {}, {message: 'junk'}, {...sample(1, 1), n: 1.5}, {...sample(400, 1), values: {total: 'x'}}, {...sample(400, 1), values: null}, sample(1, 1, 'other'), sample(-1, 1)]) {
    samples.add('cpu', junk);
  }
  assert.equal(samples.count, 300);
  assert.equal(samples.newest - samples.oldest, 299_000);
  assert.equal(totals(samples).at(-1), 349);
});

test('who may not ask for the past has what comes live', () => {
  const samples = new Samples();
  for (const n of [4, 5]) samples.add('cpu', sample(n, n));
  assert.equal(samples.count, 0);
  samples.addNone();
  samples.add('cpu', sample(6, 6));
  samples.add('cpu', {...sample(1, 1, 'two'), time: at(20)});
  assert.deepEqual(totals(samples), [4, 5, 6, null, 1]);
});

test('a value that is not always known has its gaps', () => {
  const samples = new Samples();
  samples.addHistory({run: 'one', first: 1, times: [at(1), at(2), at(3)], topics: {network: {'received/eth0': [null, 5, null], 'sent/eth0': [1, 2, 3]}}});
  assert.deepEqual([...samples.columns('network').columns], [['sent/eth0', [1, 2, 3]], ['received/eth0', [null, 5, null]]]);
});

test('machines tell their loads as numbers or texts, each in its own time', () => {
  const loads = new Loads();
  assert.ok(loads.add('devices.b.load', {message: '0.5'}, 20));
  assert.ok(loads.add('devices.a.load', 1, 10));
  assert.ok(loads.add('devices.a.load', {message: ' 2 '}, 30));
  for (const junk of [{message: 'x'}, {message: ''}, null, [], {message: null}, 'NaN', true]) assert.equal(loads.add('devices.c.load', junk, 40), false, JSON.stringify(junk));
  const {times, columns} = loads.columns();
  assert.deepEqual(times, [10, 20, 30]);
  assert.deepEqual([...columns], [['a', [1, null, 2]], ['b', [null, 0.5, null]]]);
});

test('machines and their loads are bounded: who was silent longest makes room', () => {
  const loads = new Loads();
  for (let i = 0; i < 1000; i++) loads.add('devices.a.load', i, i);
  for (const name of 'bcdefg') loads.add(`devices.${name}.load`, 1, 2000);
  const {times, columns} = loads.columns();
  assert.deepEqual([...columns.keys()], ['b', 'c', 'd', 'e', 'f', 'g']);
  assert.deepEqual(times, [2000]);
  for (let i = 0; i < 1000; i++) loads.add('devices.a.load', i, i);
  assert.equal(loads.columns().times.length, 301);
});
