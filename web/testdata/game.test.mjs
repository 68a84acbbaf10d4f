import assert from 'node:assert/strict';
import test from 'node:test';
import {Controls} from './gallery/game-controls.js';
import {Flight, isState, ranking} from './gallery/game-flight.js';

const LAW = {width: 1600, height: 1000, radius: 70, every: 40};
const STRAIGHT = {turn: 0};

/** A state with one plane for each position in units; they fly to the right at 250 units a second. */
function state(tick, ...places) {
  const planes = places.map(([x, y], i) => [i + 1, x * 4, y * 4, 0, 250, 26, i, 0, `p${i + 1}`]);
  return {tick, planes, scraps: [1, 2], watching: 0};
}

const near = (got, want, by = 0.001) => assert.ok(Math.abs(got - want) <= by, `${got}, not ${want}`);

test('others are shown 100 ms ago, between two states', () => {
  const flight = new Flight(LAW);
  for (let tick = 0; tick <= 5; tick++) flight.receive(state(tick, [100 + 10 * tick, 50]), 1_000 + 40 * tick);
  near(flight.planes(1_200, STRAIGHT)[0].x, 125); // 100 ms after tick 0
  near(flight.planes(1_210, STRAIGHT)[0].x, 127.5);
  near(flight.planes(1_300, STRAIGHT)[0].x, 150);
  near(flight.planes(9_000, STRAIGHT)[0].x, 150); // nothing newer has come
});

test('a state that was left out, or late by chance, is no jump', () => {
  const flight = new Flight(LAW);
  for (const tick of [0, 1, 2, 5]) flight.receive(state(tick, [100 + 10 * tick, 50]), 1_000 + 40 * tick + (tick === 2 ? 30 : 0));
  near(flight.planes(1_220, STRAIGHT)[0].x, 130, 1);
  near(flight.planes(1_260, STRAIGHT)[0].x, 140, 1);
});

test('a heading turns the short way', () => {
  const flight = new Flight(LAW);
  const [a, b] = [state(0, [0, 0]), state(10, [0, 0])];
  [a.planes[0][3], b.planes[0][3]] = [490, -490]; // thousandths of a turn
  flight.receive(a, 0);
  flight.receive(b, 400);
  near(Math.abs(flight.planes(300, STRAIGHT)[0].heading), Math.PI);
});

test('the own plane obeys at once and agrees with the hub in the end', () => {
  const flight = new Flight(LAW);
  flight.me = 1;
  flight.receive(state(0, [500, 500]), 0);
  flight.planes(0, STRAIGHT);
  const [turned] = flight.planes(16, {turn: 1});
  assert.ok(turned.heading > 0.02, `its heading is ${turned.heading}`);
  let now = 16;
  for (let tick = 1; tick < 50; tick++) {
    flight.receive(state(tick, [500 + 10 * tick, 500]), tick * 40); // the hub says that it flew on
    for (; now <= tick * 40; now += 16) flight.planes(now, STRAIGHT);
  }
  const [own] = flight.planes(49 * 40, STRAIGHT);
  near(own.x, 990, 6);
  near(own.heading, 0, 0.01);
  assert.equal(flight.own, own);
});

test('the own plane heads for the pointer, and jumps if it was moved', () => {
  const flight = new Flight(LAW);
  flight.me = 1;
  flight.receive(state(0, [800, 500]), 0);
  for (let now = 0; now < 200; now += 16) {
    const [own] = flight.planes(now, {heading: Math.PI / 2});
    assert.ok(own.heading >= 0 && own.heading < Math.PI / 2 + 0.001);
  }
  assert.ok(flight.own.heading > 0.4, `its heading is ${flight.own.heading}`);
  flight.receive(state(5, [200, 200]), 200);
  near(flight.planes(200, STRAIGHT)[0].x, 200);
  flight.receive(state(6), 240);
  assert.equal(flight.planes(240, STRAIGHT).length, 0);
  assert.equal(flight.own, null);
});

test('an edge throws the own plane back', () => {
  const flight = new Flight(LAW);
  flight.me = 1;
  flight.receive(state(0, [1_573, 500]), 0);
  const [own] = flight.planes(40, STRAIGHT);
  near(Math.abs(own.heading), Math.PI);
  near(own.x, 1_574);
});

test('a hub that has started anew, and a tab that slept, begin anew', () => {
  const flight = new Flight(LAW);
  flight.receive(state(1_000, [100, 100]), 0);
  flight.receive(state(3, [900, 100]), 40);
  near(flight.planes(40, STRAIGHT)[0].x, 900);
  flight.receive(state(4, [300, 100]), 60_000);
  near(flight.planes(60_000, STRAIGHT)[0].x, 300);
});

test('what is no state is none', () => {
  assert.ok(isState(state(1, [1, 1])));
  for (const data of [null, 1, 'x', {}, {tick: 1}, {tick: 1, planes: 1, scraps: []}, {tick: 1, planes: [1], scraps: []},
    {tick: 1, planes: [[1, 2, 3, 4, 5, 6, 7, 8, 9]], scraps: []}, {tick: 1, planes: [], scraps: ['x']}, {tick: 0.5, planes: [], scraps: []}]) {
    assert.ok(!isState(data), JSON.stringify(data));
  }
});

test('who carries most leads, and of two alike who came first', () => {
  const all = state(1, [0, 0], [0, 0], [0, 0]);
  all.planes[0][6] = 2;
  assert.deepEqual(ranking(all).map(({id}) => id), [1, 3, 2]);
});

/** Controls of a field that does what the test says. */
function hands() {
  const field = Object.assign(new EventTarget(), {setPointerCapture() {}});
  const controls = new Controls(field);
  controls.active = true;
  const send = (type, values) => {
    const event = Object.assign(new Event(type, {cancelable: true}), values);
    field.dispatchEvent(event);
    return event.defaultPrevented;
  };
  return {controls, send, asks: (own) => controls.steering((point) => point, own)};
}

test('keys turn while they are held, and both at once do not', () => {
  const {controls, send, asks} = hands();
  assert.ok(send('keydown', {code: 'ArrowLeft'}));
  assert.deepEqual(asks(), {turn: -1});
  send('keydown', {code: 'KeyD'});
  assert.deepEqual(asks(), {turn: 0});
  send('keyup', {code: 'ArrowLeft'});
  assert.deepEqual(asks(), {turn: 1});
  send('blur', {});
  assert.deepEqual(asks(), {turn: 0});
  assert.ok(!send('keydown', {code: 'Tab'}));
  assert.ok(!send('keydown', {code: 'KeyD', ctrlKey: true}));
  controls.active = false;
  assert.ok(!send('keydown', {code: 'ArrowRight'}), 'the page scrolls while nobody flies');
});

test('a pointer that is down draws the plane after it', () => {
  const {send, asks} = hands();
  send('pointermove', {clientX: 5, clientY: 5});
  assert.deepEqual(asks({x: 0, y: 0}), {turn: 0});
  send('pointerdown', {clientX: 10, clientY: 0, button: 0, pointerId: 1});
  send('pointermove', {clientX: 0, clientY: 10});
  assert.deepEqual(asks({x: 0, y: 0}), {heading: Math.PI / 2});
  send('pointerup', {});
  assert.deepEqual(asks({x: 0, y: 0}), {turn: 0});
});
