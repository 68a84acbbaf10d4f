/** Quotes for a POSIX shell what has to be. @param {string} text */
export function word(text) {
  return /^[\w@%+:,./-]+$/.test(text) ? text : quoted(text);
}

/** @param {string} text */
export function quoted(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
