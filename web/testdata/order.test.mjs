import assert from 'node:assert/strict';
import {test} from 'node:test';
import {between, isKey} from './gallery/order.js';
import {dice} from './sharedhub.mjs';

test('a key is between its neighbours, wherever things are put', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const roll = dice(seed);
    const keys = [];
    for (let i = 0; i < 500; i++) {
      const at = seed % 3 ? roll(keys.length + 1) : 0; // now and then always in front
      const [before, after] = [keys[at - 1] ?? '', keys[at] ?? ''];
      const key = between(before, after);
      assert.ok(isKey(key) && key > before && (after === '' || key < after), `${before} < ${key} < ${after}`);
      keys.splice(at, 0, key);
    }
  }
});

test('a list that only grows has short keys', () => {
  let key = '';
  for (let i = 0; i < 1_000; i++) {
    const next = between(key, '');
    assert.ok(next > key);
    key = next;
  }
  assert.ok(key.length < 40, key);
});

test('keys that are equal or the wrong way round do no harm', () => {
  for (const [before, after] of [['V', 'V'], ['Vab', 'V'], ['z', '1'], ['zzzz', '']]) assert.ok(between(before, after) > before);
  for (const bad of ['', 0, null, 'a b', 'V0', '-', 'x'.repeat(300)]) assert.equal(isKey(bad), false);
});
