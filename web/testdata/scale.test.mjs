import assert from 'node:assert/strict';
import {test} from 'node:test';
import {byteRate, bytes, logTicks, nearest, percent, rangeFromZero, roundStep, scale, ticks, timeTicks} from './gallery/scale.js';

test('values lie between the ends, on a line or by their logarithm', () => {
  const line = scale([10, 20], [100, 0]);
  assert.deepEqual([10, 15, 20, 25].map(line), [100, 50, 0, -50]);
  const log = scale([1, 100], [0, 200], true);
  assert.deepEqual([1, 10, 100].map((x) => Math.round(log(x))), [0, 100, 200]);
  assert.ok(Number.isFinite(scale([5, 5], [0, 10])(5)), 'a range of nothing is no division by zero');
});

test('ticks are round, and no more than asked for by far', () => {
  assert.deepEqual(ticks(0, 100, 4), [0, 50, 100]);
  assert.deepEqual(ticks(0, 100, 5), [0, 20, 40, 60, 80, 100]);
  assert.deepEqual(ticks(0.1, 0.5, 4), [0.1, 0.2, 0.3, 0.4, 0.5]);
  assert.deepEqual(ticks(-3, 3, 3), [-2, 0, 2]);
  assert.deepEqual(ticks(0.5812, 0.6043, 4), [0.59, 0.6]);
  assert.deepEqual(ticks(7, 7, 4), [7]);
  for (let i = 0; i < 500; i++) {
    const from = (Math.random() - 0.5) * 10 ** (i % 13);
    const to = from + Math.random() * 10 ** ((i * 7) % 13) + 1e-6;
    const found = ticks(from, to, 5);
    assert.ok(found.length <= 7 && found.every((tick) => tick >= from - (to - from) / 1e6 && tick <= to + (to - from) / 1e6), `${from} to ${to}: ${found}`);
  }
});

test('a step is the next 1, 2 or 5 times a power of ten', () => {
  assert.deepEqual([0.7, 1, 1.1, 2, 3, 5, 6, 99, 0.0021].map(roundStep), [1, 1, 2, 2, 5, 5, 10, 100, 0.005]);
});

test('ticks of time are round by the clock', () => {
  const noon = new Date(2026, 2, 4, 12, 0, 3).getTime();
  const minutes = timeTicks(noon - 300_000, noon, 5).map((at) => new Date(at));
  assert.equal(minutes.length, 5);
  assert.ok(minutes.every((at) => at.getSeconds() === 0));
  const seconds = timeTicks(noon, noon + 60_000, 4).map((at) => new Date(at).getSeconds() % 15);
  assert.deepEqual(seconds, [0, 0, 0, 0]);
  assert.ok(timeTicks(noon, noon + 30 * 86_400_000, 4).length < 40);
});

test('ticks of a logarithm are powers of ten, with 2 and 5 where there is room', () => {
  assert.deepEqual(logTicks(5, 100), [5, 10, 20, 50, 100]);
  assert.deepEqual(logTicks(5, 100_000), [10, 100, 1000, 10_000, 100_000]);
});

test('a range from zero is round and changes seldom', () => {
  assert.deepEqual(rangeFromZero([1, 7, null, 3]), [0, 10]);
  assert.deepEqual(rangeFromZero([900, 1900]), [0, 2000]);
  assert.deepEqual(rangeFromZero([]), [0, 1]);
  assert.deepEqual(rangeFromZero([3], 100), [0, 100]);
});

test('the nearest of sorted numbers is found', () => {
  const all = [1, 2, 4, 8, 16];
  for (const [value, index] of [[-5, 0], [1.4, 0], [1.6, 1], [3, 1], [3.1, 2], [12.1, 4], [99, 4]]) assert.equal(nearest(all, value), index, String(value));
  assert.equal(nearest([], 1), -1);
  assert.equal(nearest([5], 1), 0);
});

test('numbers have units, in three digits', () => {
  assert.deepEqual([0, 999, 1000, 1234, 12_345, 123_456, 999_600, 25_300_000_000].map(bytes), ['0 B', '999 B', '1 kB', '1.23 kB', '12.3 kB', '123 kB', '1 MB', '25.3 GB']);
  assert.equal(byteRate(1500), '1.5 kB/s');
  assert.deepEqual([0, 1.26, 12.6, 100].map(percent), ['0 %', '1.3 %', '13 %', '100 %']);
});
