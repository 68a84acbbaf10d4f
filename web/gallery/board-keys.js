/**
 * Keys makes the shortcuts work that controls state in aria-keyshortcuts, while the focus is on the
 * whiteboard and not in a text; and a toolbar one stop of Tab, within which arrows lead on.
 */

/** @param {HTMLElement} root whose controls these are */
export function shortcuts(root) {
  /** @type {Map<string, HTMLButtonElement>} */
  const buttons = new Map();
  for (const button of root.querySelectorAll('button')) {
    for (const keys of (button.getAttribute('aria-keyshortcuts') ?? '').split(' ')) if (keys) buttons.set(keys, button);
  }
  root.addEventListener('keydown', (event) => {
    const button = buttons.get(chord(event));
    if (!button || event.defaultPrevented || isText(event.target)) return;
    event.preventDefault();
    button.click();
  });
}

/** A key with what is held down, as in aria-keyshortcuts. @param {KeyboardEvent} event */
export function chord({key, ctrlKey, metaKey, shiftKey, altKey}) {
  const name = key.length === 1 ? key.toUpperCase() : key;
  const shift = shiftKey && (ctrlKey || metaKey || key.length > 1);
  return `${ctrlKey || metaKey ? 'Control+' : ''}${altKey ? 'Alt+' : ''}${shift ? 'Shift+' : ''}${name}`;
}

/** @param {EventTarget | null} target */
export function isText(target) {
  return target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement;
}

/** @param {HTMLElement} toolbar */
export function roving(toolbar) {
  const buttons = [...toolbar.querySelectorAll('button')];
  for (const button of buttons) button.tabIndex = button === buttons[0] ? 0 : -1;
  toolbar.addEventListener('focusin', ({target}) => {
    for (const button of buttons) button.tabIndex = button === target ? 0 : -1;
  });
  toolbar.addEventListener('keydown', (event) => {
    const now = buttons.indexOf(/** @type {HTMLButtonElement} */ (event.target));
    /** @type {Record<string, number>} */
    const next = {ArrowRight: now + 1, ArrowLeft: now - 1 + buttons.length, Home: 0, End: buttons.length - 1};
    const index = next[event.key];
    if (index === undefined || now < 0) return;
    event.preventDefault();
    buttons[index % buttons.length]?.focus();
  });
}
