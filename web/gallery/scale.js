/**
 * The arithmetic of a chart: where values lie, round ticks, numbers with units. It knows
 * nothing of the page.
 *
 * @typedef {'time' | 'number' | 'log'} Kind
 */

const SECOND = 1000;
/** Steps between ticks of time, in ms. */
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400].map((s) => s * SECOND);

/**
 * Makes the function from values to pixels.
 * @param {[number, number]} values from, to; above 0 if log
 * @param {[number, number]} pixels from, to
 * @param {boolean} [log]
 */
export function scale([from, to], [start, end], log = false) {
  const place = log ? Math.log : Number;
  const low = place(from);
  const span = place(to) - low || 1;
  return (/** @type {number} */ value) => start + ((place(value) - low) / span) * (end - start);
}

/** Round numbers between two, about so many. @param {number} from @param {number} to @param {number} count */
export function ticks(from, to, count) {
  const step = roundStep((to - from) / Math.max(1, count));
  if (!(step > 0) || !Number.isFinite(step)) return [from];
  const found = [];
  // Each is made of a whole number, so that no error adds up: 0.3, not 0.30000000000000004.
  const digits = Math.max(0, -Math.floor(Math.log10(step)));
  for (let i = Math.ceil(from / step - 1e-9); i * step <= to + step * 1e-9; i++) found.push(Number((i * step).toFixed(digits)));
  return found;
}

/** The next 1, 2 or 5 times a power of ten. @param {number} least */
export function roundStep(least) {
  const power = 10 ** Math.floor(Math.log10(least));
  const of = least / power;
  return power * (of <= 1 + 1e-9 ? 1 : of <= 2 + 1e-9 ? 2 : of <= 5 + 1e-9 ? 5 : 10);
}

/** Round times, by this clock. @param {number} from ms since 1970 @param {number} to @param {number} count */
export function timeTicks(from, to, count) {
  const step = STEPS.find((ms) => ms * count >= to - from) ?? /** @type {number} */ (STEPS.at(-1));
  const zone = new Date(from).getTimezoneOffset() * 60 * SECOND;
  const found = [];
  for (let at = Math.ceil((from - zone) / step) * step + zone; at <= to; at += step) found.push(at);
  return found;
}

/** Powers of ten, and what lies between if they are few. @param {number} from above 0 @param {number} to */
export function logTicks(from, to) {
  const found = [];
  const between = Math.log10(to / from) > 3 ? [1] : [1, 2, 5];
  for (let power = 10 ** Math.floor(Math.log10(from)); power <= to; power *= 10) {
    for (const digit of between) if (digit * power >= from * (1 - 1e-9) && digit * power <= to * (1 + 1e-9)) found.push(digit * power);
  }
  return found;
}

/**
 * A range from 0 to a round number above all values, so that the axis changes seldom.
 * @param {Iterable<number | null>} values
 * @param {number} [least] of the upper end
 * @returns {[number, number]}
 */
export function rangeFromZero(values, least = 1) {
  let most = 0;
  for (const value of values) if (value !== null && value > most) most = value;
  return [0, Math.max(least, roundStep(most || least))];
}

/** Which of ascending numbers is nearest; -1 of none. @param {number[]} sorted @param {number} value */
export function nearest(sorted, value) {
  let low = 0;
  let high = sorted.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (/** @type {number} */ (sorted[middle]) <= value) low = middle;
    else high = middle;
  }
  if (high < 0) return -1;
  return Math.abs(/** @type {number} */ (sorted[low]) - value) <= Math.abs(/** @type {number} */ (sorted[high]) - value) ? low : high;
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** Bytes with a unit, in three digits. @param {number} bytes */
export function bytes(bytes) {
  let unit = 0;
  let amount = bytes;
  while (amount >= 999.5 && unit < UNITS.length - 1) {
    amount /= 1000;
    unit++;
  }
  const digits = unit === 0 || amount >= 99.95 || Number.isInteger(amount) ? 0 : amount >= 9.995 ? 1 : 2;
  return `${trimmed(amount.toFixed(digits))} ${UNITS[unit]}`;
}

/** @param {string} digits */
const trimmed = (digits) => (digits.includes('.') ? digits.replace(/\.?0+$/, '') : digits);

/** @param {number} perSecond */
export const byteRate = (perSecond) => `${bytes(perSecond)}/s`;

/** @param {number} value of 100 */
export const percent = (value) => `${value.toFixed(value < 10 && !Number.isInteger(value) ? 1 : 0)} %`;

const grouped = new Intl.NumberFormat('en', {maximumFractionDigits: 2});

/** @param {number} value */
export const plain = (value) => grouped.format(value);
