/**
 * The ink of a pen: from the way of a pointer to few numbers, and back to a smooth line.
 * A way is a flat list: x, y, x, y, …
 */

/** How many points a stroke has at most, in about 600 bytes. */
export const MOST_POINTS = 250;
const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const MORE = 32; // of a digit: another follows
const FINEST = 0.7; // board units by which a line may differ from the hand's
const STEP = 1.5; // less is no movement
const MOST_RAW = 3_000; // numbers of a stroke that is still drawn

/**
 * Adds a point to a way, unless it is next to the last; a way that never ends is thinned.
 * @param {number[]} way
 * @param {number} x
 * @param {number} y
 */
export function extend(way, x, y) {
  const [lastX = Infinity, lastY = 0] = way.slice(-2);
  if (Math.hypot(x - lastX, y - lastY) < STEP) return;
  way.push(x, y);
  if (way.length > MOST_RAW) way.splice(0, way.length, ...thin(way, MOST_RAW / 4));
}

/**
 * Makes the fields of a stroke of a way: where it begins, and the steps from each point to the next.
 * A number is written in digits of five bits, the low ones first and its sign lowest of all: most take one letter.
 * @param {number[]} way that is not empty
 * @returns {{at: number[], ink: string}}
 */
export function pack(way) {
  const whole = thin(way, MOST_POINTS).map(Math.round);
  const steps = whole.slice(2).map((value, i) => value - (whole[i] ?? 0));
  return {at: whole.slice(0, 2), ink: steps.map(write).join('')};
}

/** The way of a stroke from its beginning at 0, 0; what is no stroke's ends it. @param {string} ink */
export function unpack(ink) {
  const way = [0, 0];
  let [value, bits] = [0, 0];
  for (const letter of ink.slice(0, 12 * MOST_POINTS)) {
    const digit = DIGITS.indexOf(letter);
    if (digit < 0 || bits > 15) break;
    value |= (digit & (MORE - 1)) << bits;
    bits += 5;
    if (digit & MORE) continue;
    way.push((way.at(-2) ?? 0) + (value & 1 ? -(value >> 1) : value >> 1));
    [value, bits] = [0, 0];
  }
  return way.slice(0, way.length & ~1);
}

/** @param {number} step */
function write(step) {
  let text = '';
  let value = Math.abs(step) * 2 + Number(step < 0);
  for (; value >= MORE; value >>= 5) text += DIGITS[value & (MORE - 1) | MORE];
  return text + DIGITS[value];
}

/**
 * Leaves points out of a way until so many are left, ever more coarsely.
 * @param {number[]} way
 * @param {number} most points
 */
function thin(way, most) {
  let thinned = simplify(way, FINEST);
  for (let tolerance = 2 * FINEST; thinned.length > 2 * most; tolerance *= 2) thinned = simplify(thinned, tolerance);
  return thinned;
}

/**
 * Leaves out the points that are nearer than this to the line without them, after Douglas and Peucker.
 * @param {number[]} way
 * @param {number} tolerance
 */
export function simplify(way, tolerance) {
  const last = way.length / 2 - 1;
  const kept = new Set([0, last]);
  const spans = [[0, last]];
  for (let span = spans.pop(); span; span = spans.pop()) {
    const [from = 0, to = 0] = span;
    const far = farthest(way, from, to);
    if (far.distance <= tolerance) continue;
    kept.add(far.index);
    spans.push([from, far.index], [far.index, to]);
  }
  return way.filter((_, i) => kept.has(i >> 1));
}

/** The point between two others that is farthest from their line. @param {number[]} way @param {number} from @param {number} to */
function farthest(way, from, to) {
  const [ax, ay] = pointAt(way, from);
  const [bx, by] = pointAt(way, to);
  let found = {index: from, distance: 0};
  for (let index = from + 1; index < to; index++) {
    const [x, y] = pointAt(way, index);
    const distance = distanceTo(x, y, ax, ay, bx, by);
    if (distance > found.distance) found = {index, distance};
  }
  return found;
}

/** @param {number[]} way @param {number} index @returns {[number, number]} */
const pointAt = (way, index) => [way[2 * index] ?? 0, way[2 * index + 1] ?? 0];

/**
 * How far a point is from a line between two others.
 * @param {number} x @param {number} y @param {number} ax @param {number} ay @param {number} bx @param {number} by
 */
export function distanceTo(x, y, ax, ay, bx, by) {
  const [dx, dy] = [bx - ax, by - ay];
  const part = ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy || 1);
  const along = Math.min(1, Math.max(0, part));
  return Math.hypot(ax + along * dx - x, ay + along * dy - y);
}

/** Whether a way passes a point within reach. @param {number[]} way @param {number} x @param {number} y @param {number} reach */
export function passes(way, x, y, reach) {
  if (way.length === 2) return Math.hypot(x - (way[0] ?? 0), y - (way[1] ?? 0)) <= reach;
  for (let i = 0; i + 1 < way.length / 2; i++) {
    if (distanceTo(x, y, ...pointAt(way, i), ...pointAt(way, i + 1)) <= reach) return true;
  }
  return false;
}

/**
 * The path of a way for SVG: a curve through the middles between its points, so that no corner shows.
 * @param {number[]} way
 */
export function curve(way) {
  const last = way.length / 2 - 1;
  if (last < 0) return '';
  if (last === 0) return `M${way[0]} ${way[1]}h0.01`; // a dot, with round ends
  let path = `M${way[0]} ${way[1]}`;
  for (let i = 1; i < last; i++) {
    const [x, y] = pointAt(way, i);
    const [nextX, nextY] = pointAt(way, i + 1);
    path += `Q${x} ${y} ${(x + nextX) / 2} ${(y + nextY) / 2}`;
  }
  const [x, y] = pointAt(way, last);
  return `${path}L${x} ${y}`;
}
