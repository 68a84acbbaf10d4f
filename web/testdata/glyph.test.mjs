import assert from 'node:assert/strict';
import {test} from 'node:test';
import {characterIn, codeOf, glyphOf, partsOf, waysToWrite} from './gallery/glyph.js';

test('a character is written as programs take it', () => {
  const written = (char) => waysToWrite(char).map(({text}) => text);
  assert.equal(codeOf('\t'), 'U+0009');
  assert.equal(codeOf('😀'), 'U+1F600');
  assert.deepEqual(written('☃'), ['E2 98 83', '&#x2603;', '\\002603', '\\u2603']);
  assert.deepEqual(written('😀'), ['F0 9F 98 80', '&#x1F600;', '\\01F600', '\\u{1F600}']);
  for (const char of ['A', 'é', '☃', '😀', '\u{10fffd}']) {
    const [utf8, , , script] = written(char);
    assert.equal(new TextDecoder().decode(Uint8Array.from(utf8.split(' '), (byte) => parseInt(byte, 16))), char);
    assert.equal(eval(`'${script}'`), char);
  }
});

test('what has no look of its own is shown by its code, a mark on a circle', () => {
  for (const char of ['\u0000', '\t', ' ', '\u00a0', '\u200b', '\u202e', '\u2028', '\ue000', '\u3164']) {
    assert.deepEqual(glyphOf(char), {text: codeOf(char).slice(2), boxed: true});
  }
  assert.deepEqual(glyphOf('\u0301'), {text: '\u25cc\u0301', boxed: false});
  assert.deepEqual(glyphOf('☃'), {text: '☃', boxed: false});
});

test('a message is one character or nothing', () => {
  for (const char of ['☃', '😀', '\u0000', '\n', '"']) assert.equal(characterIn({char}), char);
  for (const data of [null, undefined, '☃', {}, [], {char: ''}, {char: 'ab'}, {char: 9731}, {char: '\ud83d'}, {char: ['☃']}]) {
    assert.equal(characterIn(data), '', JSON.stringify(data));
  }
});

test('a name is cut where it was typed', () => {
  const parts = (name, hits) => partsOf(name, hits).map(({text, hit}) => (hit ? text.toUpperCase() : text)).join('|');
  assert.equal(parts('snowman without snow', [[0, 4], [16, 20]]), 'SNOW|man without |SNOW');
  assert.equal(parts('snow', [[0, 4]]), 'SNOW');
  assert.equal(parts('snow', []), 'snow');
});
