/** How characters are shown and written, for people and in programs. It knows nothing of the page. */

/** A character's code as people write it. @param {string} char */
export function codeOf(char) {
  return `U+${hex(pointOf(char), 4)}`;
}

/**
 * What to show of a character: a mark sits on a dotted circle, and what has no look of its own
 * is a box with its code.
 * @param {string} char
 * @returns {{text: string, boxed: boolean}}
 */
export function glyphOf(char) {
  if (/^\p{M}$/u.test(char)) return {text: `\u25cc${char}`, boxed: false};
  if (/^[\p{Cc}\p{Cf}\p{Z}\p{Co}]$/u.test(char) || /^[\u115f\u1160\u3164\uffa0\u2800]$/.test(char)) {
    return {text: hex(pointOf(char), 4), boxed: true};
  }
  return {text: char, boxed: false};
}

/**
 * How a character is written elsewhere.
 * @param {string} char
 * @returns {{name: string, text: string}[]}
 */
export function waysToWrite(char) {
  const point = pointOf(char);
  const bytes = [...new TextEncoder().encode(char)].map((byte) => hex(byte, 2)).join(' ');
  return [
    {name: 'UTF-8', text: bytes},
    {name: 'HTML', text: `&#x${hex(point, 1)};`},
    {name: 'CSS', text: `\\${hex(point, 6)}`},
    {name: 'JavaScript', text: point > 0xffff ? `\\u{${hex(point, 1)}}` : `\\u${hex(point, 4)}`},
  ];
}

/** The one character that data of a message holds; '' if it is anything else. @param {unknown} data */
export function characterIn(data) {
  const char = typeof data === 'object' && data !== null && 'char' in data ? data.char : '';
  return typeof char === 'string' && /^[^\p{Cs}]$/u.test(char) ? char : '';
}

/** @param {string} char */
const pointOf = (char) => char.codePointAt(0) ?? 0;

/** @param {number} value @param {number} digits at least */
const hex = (value, digits) => value.toString(16).toUpperCase().padStart(digits, '0');

/**
 * Cuts a name into its parts and says which of them were typed.
 * @param {string} name
 * @param {[number, number][]} hits where those begin and end, in order
 * @returns {{text: string, hit: boolean}[]}
 */
export function partsOf(name, hits) {
  const parts = [];
  let at = 0;
  for (const [first, end] of hits) {
    parts.push({text: name.slice(at, first), hit: false}, {text: name.slice(first, end), hit: true});
    at = end;
  }
  return [...parts, {text: name.slice(at), hit: false}].filter(({text}) => text !== '');
}
