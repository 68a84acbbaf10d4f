import assert from 'node:assert/strict';
import {test} from 'node:test';
import {covers} from './system.js';

test('a pattern covers the channels that the hub delivers by it', () => {
  for (const [pattern, ...channels] of [['news', 'news'], ['sensor.*', 'sensor.hall'], ['*.hall', 'sensor.hall'], ['sensor.>', 'sensor.hall', 'sensor.a.b'], ['>', 'a', 'a.b']]) {
    for (const channel of channels) assert.ok(covers(pattern, channel), `${pattern} ${channel}`);
  }
  for (const [pattern, ...channels] of [['news', 'new', 'news.x', ''], ['sensor.*', 'sensor', 'sensor.a.b', 'other.hall'], ['sensor.>', 'sensor', 'other.hall'], ['>.a', 'b.a']]) {
    for (const channel of channels) assert.ok(!covers(pattern, channel), `${pattern} ${channel}`);
  }
});
