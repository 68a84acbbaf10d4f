import assert from 'node:assert/strict';
import {test} from 'node:test';
import {MOST_POINTS, curve, extend, pack, passes, simplify, unpack} from './gallery/board-ink.js';
import {HEIGHT, WIDTH, boundsOf, describe, hits, outline, readShape, room} from './gallery/board-shapes.js';

/** A hand that goes round and round for so many points. */
function scribble(points) {
  const way = [];
  for (let i = 0; i < points; i++) extend(way, 800 + 400 * Math.sin(i / 3) + i % 7, 500 + 300 * Math.cos(i / 5));
  return way;
}

test('a stroke comes back as it was packed, to the unit', () => {
  const way = [10.2, 20.4, 400, 30, 12, 990, 1599.6, 0, 0.4, 1000];
  const {at, ink} = pack(way);
  assert.deepEqual(at, [10, 20]);
  assert.match(ink, /^[\w-]+$/);
  const back = unpack(ink).map((value, i) => value + at[i % 2]);
  assert.deepEqual(back, way.map(Math.round));
  assert.deepEqual(pack([5, 6]), {at: [5, 6], ink: ''});
  assert.deepEqual(unpack(''), [0, 0]);
});

test('what is no ink ends a stroke', () => {
  assert.deepEqual(unpack('CE! CC'), [0, 0, 1, 2]);
  assert.deepEqual(unpack('CEC'), [0, 0, 1, 2], 'half a point');
  assert.deepEqual(unpack('______CC'), [0, 0], 'a number without end');
  assert.ok(unpack('CC'.repeat(1e6)).length <= 12 * MOST_POINTS + 2);
});

test('a stroke is bounded, however long it is drawn', () => {
  const way = scribble(50_000);
  assert.ok(way.length <= 3_000, `${way.length} numbers are kept while it is drawn`);
  const {ink} = pack(way);
  assert.ok(unpack(ink).length <= 2 * MOST_POINTS);
  assert.ok(ink.length < 1_200, `${ink.length} bytes`);
});

test('simplifying keeps corners and ends, and stays near the hand', () => {
  const line = Array.from({length: 200}, (_, i) => i % 2 ? 0 : i);
  assert.deepEqual(simplify(line, 0.5), [0, 0, 198, 0]);
  const way = scribble(300);
  const simple = simplify(way, 2);
  assert.ok(simple.length < way.length);
  for (let i = 0; i < way.length; i += 2) assert.ok(passes(simple, way[i], way[i + 1], 2.001), `point ${i / 2}`);
  const [x, y] = way.slice(-2);
  assert.deepEqual(simple.slice(-2), [x, y]);
});

test('a pointer that trembles on the spot makes one point', () => {
  const way = [];
  for (let i = 0; i < 50; i++) extend(way, 100 + i % 2, 100);
  assert.deepEqual(way, [100, 100]);
  assert.match(curve(way), /^M100 100h/);
  assert.equal(curve([]), '');
});

test('fields are believed as far as they make sense', () => {
  assert.equal(readShape(undefined), null);
  assert.equal(readShape({kind: 'rect'}), null);
  assert.equal(readShape({kind: 'constructor', at: [1, 2]}), null);
  assert.equal(readShape({kind: 'note', at: [NaN, 2]}), null);
  const odd = readShape({kind: 'note', at: [1e9, -1e9, 7], size: 'large', color: 99, z: '9', bold: 'yes', text: 7});
  assert.deepEqual(odd, {kind: 'note', x: 2 * WIDTH, y: -WIDTH, w: 220, h: 180, way: [], z: 0, color: 0, bold: false, text: ''});
  assert.equal(readShape({kind: 'note', at: [1, 2], text: 'x'.repeat(1e5)}).text.length, 200);
  assert.equal(readShape({kind: 'stroke', at: [1, 2], ink: {}}).way.length, 2);
});

test('a pointer hits the line of a shape, and a note anywhere', () => {
  const shape = (fields) => readShape({at: [100, 100], size: [200, 100], ...fields});
  for (const kind of ['rect', 'ellipse']) {
    assert.ok(hits(shape({kind}), 200, 103, 6), `${kind} at its edge`);
    assert.ok(!hits(shape({kind}), 200, 150, 6), `${kind} in its middle`);
  }
  assert.ok(!hits(shape({kind: 'ellipse'}), 101, 101, 6), 'the corner of an ellipse');
  assert.ok(hits(shape({kind: 'arrow'}), 200, 152, 6));
  assert.ok(hits(shape({kind: 'line', size: [-50, -50]}), 75, 76, 6), 'a line to the upper left');
  assert.ok(hits(shape({kind: 'note'}), 200, 200, 0));
  assert.ok(hits(readShape({kind: 'stroke', ...pack([10, 10, 300, 300])}), 150, 154, 6));
});

test('nothing can be moved off the board, and comes back from there', () => {
  const note = readShape({kind: 'note', at: [1000, 500]});
  const {dx, dy} = room([note], 5_000, -5_000);
  const {left, bottom} = boundsOf({...note, x: note.x + dx, y: note.y + dy});
  assert.ok(left < WIDTH && bottom > 0);
  const lost = room([readShape({kind: 'note', at: [3_000, 3_000]})], 0, 0);
  assert.ok(3_000 + lost.dx < WIDTH && 3_000 + lost.dy < HEIGHT);
});

test('shapes are outlined for SVG and described for people', () => {
  const rect = readShape({kind: 'rect', at: [5, 6], size: [30, 20], color: 4});
  assert.equal(outline(rect), 'M0 0h30v20h-30z');
  assert.match(outline({...rect, kind: 'arrow'}), /^M0 0L30 20M30 20l-/);
  assert.equal(describe(rect), 'Rectangle, blue, at 5, 6');
  assert.equal(describe(readShape({kind: 'note', at: [1, 2], color: 2, text: ' Milk '})), 'Sticky note “Milk”, amber, at 1, 2');
});
