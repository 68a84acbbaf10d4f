import assert from 'node:assert/strict';
import {test} from 'node:test';
import {contentOf, dataOf, isEvent, senderOf, sequenceOf, tagOf} from './message.js';

test('a text is itself, a notification its fields, anything else its JSON', () => {
  assert.deepEqual(contentOf('<b>hi</b>'), {kind: 'text', text: '<b>hi</b>', title: '', priority: 3, tags: [], click: ''});
  const data = {message: 'done', title: 'Backup', priority: 4, tags: ['disk'], click: 'https://example.com/'};
  const {message, ...rest} = data;
  assert.deepEqual(contentOf(data), {kind: 'notification', text: message, ...rest});
  for (const other of [{level: 1}, [1, 2], 7, null, true, {message: 5}]) {
    assert.deepEqual([contentOf(other).kind, contentOf(other).text], ['json', JSON.stringify(other)]);
  }
});

test('fields of a wrong type count as absent', () => {
  for (const field of [{title: 1}, {priority: 9}, {priority: '4'}, {tags: 'disk'}, {click: ['x']}]) {
    assert.deepEqual(contentOf({message: 'm', ...field}), contentOf({message: 'm'}));
  }
  assert.deepEqual(contentOf({message: 'm', tags: ['a', 1, null]}).tags, ['a']);
});

test('only an address of the web is followed', () => {
  for (const click of ['javascript:alert(1)', ' javascript:alert(1)', 'data:text/html,x', 'http://', 'https:evil', 'mailto:a@b.c', '//example.com']) {
    assert.equal(contentOf({message: 'm', click}).click, '', click);
  }
  assert.equal(contentOf({message: 'm', click: 'HTTP://example.com'}).click, 'HTTP://example.com');
});

test('a sender is known by its name in the channel, else by that of its connection', () => {
  assert.equal(senderOf(undefined), 'server');
  assert.equal(senderOf({client: 'c'}), 'anonymous');
  assert.equal(senderOf({client: 'c', conn_info: {name: 'Ada'}}), 'Ada');
  assert.equal(senderOf({client: 'c', conn_info: {name: 'Ada'}, chan_info: {name: 'Bob'}}), 'Bob');
  assert.equal(senderOf({client: 'c', chan_info: {name: 7}}), 'anonymous');
  assert.equal(senderOf({client: 'c', user: 'ada', chan_info: {name: 'Bob'}}), 'ada', 'whom the hub knows is nobody else');
  assert.equal(senderOf({client: 'c', user: 'ada', conn_info: {name: 'Ada L.'}, chan_info: {name: 'Bob'}}), 'Ada L. (ada)');
});

test('what looks like a JSON object or array is one', () => {
  assert.deepEqual(dataOf('{"a": [1]}'), {a: [1]});
  assert.deepEqual(dataOf(' [1, 2]'), [1, 2]);
  for (const text of ['hello', '7', 'null', '"quoted"', '{broken', '[link](x)']) assert.equal(dataOf(text), text);
});

test('a message begins a sequence, is its newest state, or says what happened to it', () => {
  const at = {epoch: 'VbwYL6K', offset: 62 * 62 + 61};
  for (const data of ['text', {message: 'm'}, null, [1], 7, {message: 'm', sequence_id: ''}, {sequence_id: 5}]) {
    assert.deepEqual(sequenceOf(data, at), {id: 'VbwYL6K000010z', event: ''});
    assert.deepEqual(sequenceOf(data, {epoch: 'VbwYL6K', offset: 0}), {id: '', event: ''});
  }
  assert.equal(sequenceOf('', {epoch: 'e', offset: 10 + 36 * 62}).id, 'e00000aA');
  for (const data of [{message: 'm', sequence_id: 'job'}, {sequence_id: 'job', event: 'other'}, {message: 'm', sequence_id: 'job', event: 'message_delete'}]) {
    assert.deepEqual(sequenceOf(data, at), {id: 'job', event: ''});
  }
  for (const event of ['message_delete', 'message_clear']) assert.deepEqual(sequenceOf({event, sequence_id: 'job'}, at), {id: 'job', event});
});

test('a message has the same tag in every tab, and so has what becomes of it', () => {
  const tag = tagOf('news', 'e', {data: 'text', offset: 62});
  assert.equal(tag, 'news e0000010');
  assert.equal(tagOf('news', 'e', {data: {event: 'message_delete', sequence_id: 'e0000010'}, offset: 70}), tag);
  assert.notEqual(tagOf('other', 'e', {data: 'text', offset: 62}), tag);
  assert.equal(tagOf('live', '', {data: 'text', time: 5}), tagOf('live', '', {data: 'text', time: 5}));
  assert.notEqual(tagOf('live', '', {data: 'text', time: 5}), tagOf('live', '', {data: 'text', time: 6}));
  assert.equal(isEvent({event: 'message_clear', sequence_id: 'job'}), true);
  for (const data of ['text', {message: 'm', sequence_id: 'job'}, {event: 'message_delete'}, null]) assert.equal(isEvent(data), false);
});
