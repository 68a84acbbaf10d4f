/** Tokens and keys as texts. A token is a JWT (RFC 7519), a key anything else. */

/**
 * The token or key in what somebody pasted: without the words that go before it in a header.
 * @param {string} text
 */
export function credentialIn(text) {
  const credential = text.trim().replace(/^(authorization:\s*)?bearer\s+/i, '');
  if (!/^[!-~]+$/.test(credential)) throw new Error('A token or key has no spaces and no letters beyond ASCII: copy all of it, and nothing else.');
  return credential;
}

/**
 * Whose token it is, as it says itself: for show, once the hub has believed it. '' if it says
 * nothing, as a key does.
 * @param {string} token
 */
export function subjectOf(token) {
  const [, payload = ''] = token.split('.');
  try {
    const bytes = Uint8Array.from(atob(payload.replaceAll('-', '+').replaceAll('_', '/')), (char) => char.charCodeAt(0));
    const {sub} = Object(JSON.parse(new TextDecoder().decode(bytes)));
    return typeof sub === 'string' ? sub : '';
  } catch {
    return '';
  }
}

/** What stands for the header Authorization in an address. @param {string} credential */
export function authQuery(credential) {
  return btoa(`Bearer ${credential}`).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}
