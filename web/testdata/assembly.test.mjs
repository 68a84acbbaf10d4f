import assert from 'node:assert/strict';
import {test} from 'node:test';
import {Assembly, cut, isEntry, isFinal, titleOf} from './gallery/assembly.js';

const job = {id: 'a', kind: 'percolation', size: 16, runs: 30, started: 1};
const parts = [
  {part: 0, state: 'waiting', progress: 0, job},
  {part: 1, state: 'working', progress: 0},
  {part: 2, state: 'working', progress: 0.4, runs: 12, mean: 0.6, bins: [[3, 10], [4, 2]], points: [[5, 0.6, 0.1]], lattice: 'AA=='},
  {part: 3, state: 'working', progress: 0.8, runs: 24, mean: 0.59, bins: [[4, 12]], points: [[20, 0.59, 0.05]]},
  {part: 4, state: 'done', progress: 1, runs: 30, mean: 0.592, bins: [[5, 6]]},
];

function whole(order) {
  const a = new Assembly();
  for (const i of order) a.add(parts[i]);
  return a;
}

test('the parts are the whole, in whatever order and however often they come', () => {
  const want = whole([0, 1, 2, 3, 4]);
  assert.equal(want.state, 'done');
  assert.deepEqual(want.job, job);
  assert.deepEqual([...want.bins].map((n) => n ?? 0), [0, 0, 0, 10, 14, 6]);
  assert.equal(want.points.length, 2);
  assert.equal(want.latest.mean, 0.592);
  assert.equal(want.lattice, 'AA==');
  for (const order of [[3, 4, 0, 1, 2], [4, 3, 2, 1, 0], [0, 0, 1, 3, 1, 2, 2, 4, 3, 4]]) assert.deepEqual(whole(order), want, String(order));
});

test('a part that came early waits for the one before', () => {
  const a = whole([0, 1, 3]);
  assert.equal(a.parts, 2);
  assert.equal(a.progress, 0);
  a.add(parts[2]);
  assert.equal(a.progress, 0.8);
});

test('what is not kept any more is said to be missing, and the rest is shown', () => {
  const a = whole([3, 4]);
  a.settle();
  assert.ok(a.incomplete);
  assert.equal(a.state, 'done');
  assert.equal(a.latest.mean, 0.592);
  const all = whole([0, 1, 2]);
  all.settle();
  assert.ok(!all.incomplete);
});

test('progress never falls, nothing follows the end, and junk is not taken', () => {
  const a = whole([0, 1, 2, 3]);
  a.add({part: 4, state: 'working', progress: 0.1});
  assert.equal(a.progress, 0.8);
  a.add({part: 5, state: 'cancelled', progress: 99});
  a.add({part: 6, state: 'working', progress: 0.9, mean: 7});
  for (const junk of [null, 7, {}, {part: 'x', state: 'done'}, {part: 7, state: 'odd'}, {part: 1.5, state: 'done'}]) a.add(junk);
  assert.equal(a.state, 'cancelled');
  assert.equal(a.progress, 1);
  assert.equal(a.latest.mean, 0.59);
  assert.deepEqual(['waiting', 'working', 'done', 'cancelled', 'failed'].map(isFinal), [false, false, true, true, true]);
});

test('a text is cut into pieces that are whole characters', () => {
  for (const text of ['', 'short', '🐈'.repeat(30_000), `x${'🐈'.repeat(30_000)}`, 'y'.repeat(16_384), 'y'.repeat(16_385)]) {
    const pieces = [...cut(text)];
    assert.equal(pieces.join(''), text);
    assert.ok(pieces.every((piece) => piece.isWellFormed?.() ?? true), 'no half character');
    assert.ok(pieces.every((piece) => piece.length > 0 && piece.length <= 16_384));
  }
});

test('an analysis is called by what it is of', () => {
  assert.equal(titleOf({kind: 'percolation', size: 64, runs: 20_000}), 'Percolation, 64 × 64, 20,000 runs');
  assert.equal(titleOf({kind: 'words', name: 'a.txt'}), 'Words of a.txt');
});

test('what is no part and no entry of the list is ignored', () => {
  const bad = [null, 1, 'x', [], {}, {part: 0}, {part: 0.5, state: 'working'}, {part: 0, state: 'odd'}, {part: 0, state: 'working', points: 5},
    {part: 0, state: 'working', bins: [[1e9, 1]]}, {part: 0, state: 'working', bins: [[-1, 1]]}, {part: 0, state: 'working', top: [[1, 'x']]},
    {part: 0, state: 'working', mean: 'x'}, {part: 0, state: 'working', lattice: {}}, {part: 0, state: 'working', job: {id: 'a'}}];
  const a = new Assembly();
  for (const part of bad) a.add(part);
  assert.equal(a.parts, 0);
  a.settle();
  assert.equal(a.incomplete, false);
  a.add({...parts[0], points: null, reason: null});
  assert.equal(a.parts, 1);
  const entry = {...job, state: 'working'};
  assert.ok(isEntry(entry));
  for (const change of [{id: undefined}, {id: '<b>'}, {id: '__proto__'}, {state: 'odd'}, {started: 1e99}, {started: '1'}, {kind: 'x'}, {name: {}}]) {
    assert.ok(!isEntry({...entry, ...change}), JSON.stringify(change));
  }
  for (const value of bad) assert.ok(!isEntry(value));
});
