import assert from 'node:assert/strict';
import {test} from 'node:test';
import {authQuery, credentialIn, subjectOf} from './credential.js';

/** A token with these claims. */
function token(claims) {
  const part = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
  return `${part({alg: 'HS256'})}.${part(claims)}.c2lnbmF0dXJl`;
}

test('a token is found in what is pasted, with or without its header', () => {
  for (const text of ['a.b.c', ' a.b.c\n', 'Bearer a.b.c', 'bearer  a.b.c', 'Authorization: Bearer a.b.c', 'authorization:bearer a.b.c ']) {
    assert.equal(credentialIn(text), 'a.b.c');
  }
  for (const text of ['', ' ', 'a.b\n.c', 'two words', 'tökén', 'a\u0000b', 'a\u200bb']) {
    assert.throws(() => credentialIn(text), /copy all of it/, text);
  }
});

test('a token says whose it is, and nothing else does', () => {
  assert.equal(subjectOf(token({sub: 'ada'})), 'ada');
  assert.equal(subjectOf(token({sub: 'Zoë ÿ ☃ <b>'})), 'Zoë ÿ ☃ <b>');
  for (const other of [token({}), token({sub: 7}), token('null'), token('[1]'), token('{'), 'fk_1234', '', '.', 'a.!.c', '..']) {
    assert.equal(subjectOf(other), '', other);
  }
});

test('an address carries what the header would', () => {
  for (const text of ['a', 'ab', 'abc', 'a.b-c_d', '~~~???>>>']) {
    const query = authQuery(text);
    assert.match(query, /^[\w-]+$/);
    assert.equal(Buffer.from(query, 'base64url').toString(), `Bearer ${text}`);
  }
});
