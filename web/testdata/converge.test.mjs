import assert from 'node:assert/strict';
import {test} from 'node:test';
import {Clock} from './fake.mjs';
import {SharedHub, calm, connected, dice, folded, open, plain, settled} from './sharedhub.mjs';

const clock = new Clock();

/** Makes some change or other. */
function edit(replica, roll) {
  const ids = [...replica.objects.keys()];
  const id = ids[roll(ids.length)] ?? 'none';
  const fields = {[`f${roll(3)}`]: [roll(100), {at: roll(9)}], f3: roll(3) ? `text ${roll(100)}` : null};
  switch (roll(7)) {
    case 0: case 1: return void replica.make(fields);
    case 2: return replica.drop(id);
    case 3: return replica.undo();
    case 4: return replica.redo();
    case 5: return replica.change({set: {[id]: fields}, drop: [ids[roll(ids.length)] ?? 'none'], make: {[`M${roll(5)}`]: fields}});
    default: return replica.set(id, fields);
  }
}

for (let seed = 1; seed <= 30; seed++) {
  test(`all replicas end equal, whatever happens on the way (${seed})`, async () => {
    const roll = dice(seed);
    const hub = new SharedHub();
    const tabs = Array.from({length: 4}, () => open(hub));
    for (let i = 0; i < 1_500; i++) {
      const tab = tabs[roll(tabs.length)];
      const {client, replica} = tab;
      switch (roll(40)) {
        case 0:
          if (client.state === 'connected') client.disconnect(); // answers and messages are lost on the way
          break;
        case 1: case 2: case 3:
          if (client.state !== 'connected') client.connect();
          break;
        case 4:
          if (roll(3) === 0) hub.rollUp(folded(hub.log).snapshot);
          break;
        case 5:
          if (hub.log.length > 0) hub.store(hub.all[roll(hub.all.length)].data, {client: 'c'}); // somebody repeats something
          break;
        case 6:
          hub.store([{}, null, 'x', {by: 'Q', n: 1, set: {a: 1}}, {snapshot: {objects: {}, seen: []}}][roll(5)], {client: 'c'});
          break;
        case 7: case 8:
          client.stray.shift()?.();
          break;
        case 9: case 10: case 11: case 12:
          edit(replica, roll);
          break;
        default:
          client.move(roll(2) === 0);
      }
      await settled();
      clock.pass(roll(10) ? 10 : 2_000);
    }
    for (const {client} of tabs) if (client.state !== 'connected') client.connect();
    for (let i = 0; i < 20; i++) {
      await calm(...tabs);
      clock.pass(20_000);
    }
    const expected = plain(folded(hub.all).objects);
    assert.ok(hub.all.length > 50, 'much has happened');
    for (const {replica, errors} of tabs) {
      assert.deepEqual([replica.state, replica.pending, errors], ['live', 0, []]);
      assert.deepEqual(plain(replica.objects), expected);
    }
    assert.deepEqual(plain(folded(hub.log).objects), expected, 'what is kept says all');
    const late = await connected(hub);
    assert.deepEqual(plain(late.replica.objects), expected);
  });
}
