const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const BASE = DIGITS.length;

/**
 * Returns a key between two others, so that one thing of an ordered list can be moved by changing
 * nothing but its own key. '' stands for the list's beginning and end. Keys compare as texts. The last
 * digits are random: two that put something into the same place at once get different keys.
 * @param {string} before
 * @param {string} after above before; if it is not, the result is just above before
 */
export function between(before, after) {
  if (after <= before) after = '';
  let key = '';
  for (let i = 0, open = after === ''; ; i++) {
    const low = i < before.length ? DIGITS.indexOf(before.charAt(i)) : 0;
    const high = open ? BASE : DIGITS.indexOf(after.charAt(i));
    const middle = open && before ? low + 1 : (low + high) >> 1; // what is added at the end needs little room
    if (middle > low && middle < high) return key + DIGITS.charAt(middle) + suffix();
    key += DIGITS.charAt(low);
    open ||= low < high;
  }
}

function suffix() {
  const random = () => Math.floor(Math.random() * (BASE - 1));
  return DIGITS.charAt(random()) + DIGITS.charAt(1 + random()); // a key that ends in 0 would have none just below it
}

/** Whether a text can be a key. @param {unknown} text @returns {text is string} */
export function isKey(text) {
  return typeof text === 'string' && text.length < 200 && /^[0-9A-Za-z]*[1-9A-Za-z]$/.test(text);
}
