import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {test} from 'node:test';
import {Document} from './gallery/document.js';

/** Messages, and what they lead to here and in the hub. A server's message is {"server": text}. */
const stories = JSON.parse(readFileSync(new URL('document.json', import.meta.url), 'utf8'));

for (const {name, messages, objects, seen, bytes} of stories) {
  test(name, () => {
    const document = new Document();
    for (const message of messages) document.apply(JSON.parse(message.server ?? message), Boolean(message.server));
    assert.equal(JSON.stringify(document.snapshot.snapshot.seen), JSON.stringify(seen));
    assert.deepEqual(JSON.parse(JSON.stringify(document.snapshot.snapshot.objects)), objects);
    assert.equal(document.bytes, bytes);
    assert.ok(JSON.stringify(document.snapshot.snapshot.objects).length <= bytes + 2, 'the bytes are an upper bound');

    const copy = new Document();
    copy.apply(JSON.parse(JSON.stringify(document.snapshot)), true);
    assert.deepEqual([JSON.stringify(copy.snapshot), copy.bytes], [JSON.stringify(document.snapshot), bytes]);
  });
}
