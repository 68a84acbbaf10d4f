import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {chmodSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {test} from 'node:test';
import {fromAMQP, fromMQTT, toAMQP, toMQTT} from './gallery/brokers.js';

const BASE = 'http://127.0.0.1:1234/';
const RETRY = '[--retry] [86400] [--retry-delay] [1] [--retry-connrefused]';
const SERVER = {host: 'broker.example', port: '1883'};

// Programs that print their name and arguments; the first of a pipeline gives one message.
const path = mkdtempSync(join(tmpdir(), 'brokers-'));
const program = (name, text) => {
  writeFileSync(join(path, name), `#!/bin/sh\n${text}\n`);
  chmodSync(join(path, name), 0o700);
};
const SAY = 'printf "%s" "${0##*/}" >&2; printf " [%s]" "$@" >&2; echo >&2';
for (const name of ['amqp-consume', 'amqp-publish', 'mosquitto_pub']) program(name, `${SAY}`);
program('mosquitto_sub', `${SAY}; printf '%s\\n' 'house/hall/light {"on": "it'"'"'s $HOME"}'`);
program('curl', SAY);
program('sleep', `[ ! -e ${path}/slept ] && touch ${path}/slept`); // once

/** What programs a block runs, with which arguments. */
function ran(block) {
  rmSync(`${path}/slept`, {force: true});
  execFileSync('/bin/sh', ['-c', `{ ${block}\n} 2> ${path}/ran`], {env: {PATH: `${path}:/usr/bin:/bin`}});
  return execFileSync('sort', [`${path}/ran`], {encoding: 'utf8'}).trim().split('\n');
}

test('a block runs the broker’s tools and curl as meant', () => {
  assert.deepEqual(ran(fromMQTT(BASE, SERVER, 'house/#', false)), [
    `curl [-sS] [-o] [/dev/null] [--data-raw] [{"on": "it's $HOME"}] ${RETRY} [${BASE}mqtt.house.hall.light]`,
    'mosquitto_sub [-h] [broker.example] [-p] [1883] [-t] [house/#] [-F] [%t %p]',
  ]);
  assert.deepEqual(ran(toMQTT(BASE, SERVER, 'lights/hall', false)), [
    `curl [-sN] [${BASE}mqtt.lights.hall/raw]`,
    'mosquitto_pub [-h] [broker.example] [-p] [1883] [-t] [lights/hall] [-l]',
  ]);
  assert.deepEqual(ran(fromAMQP(BASE, SERVER, 'orders', false)), [
    `amqp-consume [-s] [broker.example] [--port] [1883] [-q] [orders] [--] [curl] [-sSf] [-o] [/dev/null] [--data-binary] [@-] ${RETRY} [${BASE}amqp.orders]`,
  ]);
  assert.deepEqual(ran(toAMQP(BASE, SERVER, 'tasks', false)), [
    'amqp-publish [-s] [broker.example] [--port] [1883] [-r] [tasks] [-p] [-l]',
    `curl [-sN] [${BASE}amqp.tasks/raw]`,
  ]);
});

test('whatever is typed is one word of the shell, and a token stays a variable', () => {
  const evil = `a'b"; $(touch ${path}/oops) \`id\` & | > x`;
  const server = {host: evil, port: evil};
  for (const block of [fromMQTT(BASE, server, evil, true), toMQTT(BASE, server, evil, true), fromAMQP(BASE, server, evil, true), toAMQP(BASE, server, evil, true)]) {
    const lines = ran(block).join('\n');
    assert.ok(lines.includes(`[${evil}]`), lines);
    assert.ok(!block.includes('Bearer ') || block.includes('Bearer $TOKEN'));
  }
  assert.throws(() => execFileSync('ls', [`${path}/oops`], {stdio: 'ignore'}));
});
