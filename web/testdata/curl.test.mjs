import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {chmodSync, mkdtempSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {test} from 'node:test';
import {curlLine, helloLine, notificationRequest, send} from './curl.js';

const BASE = 'http://127.0.0.1:1234/';
const NOTHING = {channel: 'news', message: 'hi', title: '', priority: '', tags: '', click: '', delay: ''};

// A curl that prints its arguments.
const path = mkdtempSync(join(tmpdir(), 'curl-'));
writeFileSync(join(path, 'curl'), '#!/bin/sh\nprintf "%s\\0" "$@"\n');
chmodSync(join(path, 'curl'), 0o700);

/** The request that curl would make of a line, as a shell understands it. */
function pasted(line) {
  const args = execFileSync('/bin/sh', ['-c', line], {env: {PATH: path}, encoding: 'utf8'}).split('\0').slice(0, -1);
  const headers = {};
  let body = '';
  while (args.length > 1) {
    const [option, value] = args.splice(0, 2);
    const colon = value.indexOf(': ');
    if (option === '-H') headers[value.slice(0, colon)] = value.slice(colon + 2);
    else if (option === '-d') assert.ok(!value.startsWith('@'), `-d reads the file ${value}`);
    if (option !== '-H') body = value;
  }
  return {url: args[0], headers, body};
}

test('a line in a shell is the request, whatever is in it', () => {
  const texts = ["it's", '"quoted"', '$HOME `id` $(id) \\', '!! ; & | > < * ?', '@/etc/passwd', '{"a":1}', '  two  ', 'Grüße', '=?UTF-8?Q?x?=', '-d', '%41'];
  for (const text of texts) {
    for (const field of ['message', 'title', 'tags', 'click', 'delay']) {
      const request = notificationRequest(BASE, {...NOTHING, [field]: text});
      assert.deepEqual(pasted(curlLine(request)), request, `${field}: ${text}`);
    }
  }
});

test('a line shows a token by the name of a variable, never the token itself', () => {
  const request = notificationRequest(BASE, {...NOTHING, title: '$TOKEN'});
  const Authorization = 'Bearer t0.k.en';
  const headers = {...request.headers, Authorization};
  assert.deepEqual(pasted(`TOKEN=t0.k.en; ${curlLine(request, true)}`), {...request, headers});
  assert.deepEqual(pasted(`TOKEN=t0.k.en; ${helloLine(BASE, 'news', true)}`), {url: `${BASE}news`, headers: {Authorization}, body: 'Hello'});
});

test('a request carries its token in a header', async () => {
  const asked = [];
  globalThis.fetch = (url, {headers}) => asked.push([url, headers.Authorization]);
  const request = notificationRequest(BASE, NOTHING);
  await send(request, 't0.k.en');
  await send(request, '');
  assert.deepEqual(asked, [[`${BASE}news`, 'Bearer t0.k.en'], [`${BASE}news`, undefined]]);
});

test('fields go into headers if those can carry them, else all is JSON', () => {
  const fields = {channel: 'news', message: 'böö', title: 'Backup', priority: 'high', tags: 'a, b', click: 'https://example.com/?a=1', delay: '2 hours'};
  assert.deepEqual(notificationRequest(BASE, fields), {
    url: `${BASE}news`,
    headers: {Title: 'Backup', Priority: 'high', Tags: 'a, b', Click: 'https://example.com/?a=1', Delay: '2 hours'},
    body: 'böö',
  });
  for (const title of ['Sicherung läuft', '=?UTF-8?B?eA==?=']) {
    const {url, headers, body} = notificationRequest(BASE, {...fields, title});
    assert.equal(url, BASE);
    assert.deepEqual(headers, {'Content-Type': 'application/json'});
    assert.deepEqual(JSON.parse(body), {topic: 'news', message: 'böö', title, priority: 4, tags: ['a', 'b'], click: 'https://example.com/?a=1', delay: '2 hours'});
  }
  assert.deepEqual(JSON.parse(notificationRequest(BASE, {...NOTHING, title: 'ü'}).body), {topic: 'news', message: 'hi', title: 'ü'});
});

test('the address holds any channel, and any hub', () => {
  for (const [base, channel, url] of [[BASE, 'a#b$c', `${BASE}a%23b%24c`], ['http://[::1]:1234/', 'news', 'http://[::1]:1234/news']]) {
    assert.equal(pasted(helloLine(base, channel)).url, url);
    assert.equal(pasted(helloLine(base, channel)).body, 'Hello');
  }
  assert.equal(helloLine(BASE, 'news'), 'curl -d "Hello" http://127.0.0.1:1234/news');
});
