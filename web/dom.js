import {senderOf} from './message.js';

/**
 * Finds the one element that must be there.
 * @template {Element} T
 * @param {ParentNode} root
 * @param {string} selector
 * @param {new () => T} type
 * @returns {T}
 */
export function find(root, selector, type) {
  const element = root.querySelector(selector);
  if (element instanceof type) return element;
  throw new Error(`the page has no ${type.name} for ${selector}`);
}

/** @param {ParentNode} root @param {string} selector */
export const findElement = (root, selector) => find(root, selector, HTMLElement);

/**
 * Makes a new element from the template with this id.
 * @param {string} id
 */
export function stamp(id) {
  const content = find(document, `#${id}`, HTMLTemplateElement).content;
  return findElement(/** @type {DocumentFragment} */ (content.cloneNode(true)), '*');
}

/**
 * Fills in the text of the part of an element that is marked with this data-part,
 * and hides a part that has none.
 * @param {Element} element
 * @param {string} part
 * @param {string} text
 */
export function fill(element, part, text) {
  const target = findElement(element, `[data-part=${part}]`);
  target.textContent = text;
  target.hidden = text === '';
  return target;
}

/**
 * Fills in who a client is, and marks whom the hub knows: anybody can call themselves anything.
 * @param {Element} element
 * @param {import('./subscription.js').ClientInfo | undefined} info
 */
export function fillSender(element, info) {
  fill(element, 'sender', senderOf(info)).toggleAttribute('data-known', Boolean(info?.user));
}

/**
 * The named control of a form.
 * @param {HTMLFormElement} form
 * @param {string} name
 */
export function control(form, name) {
  return /** @type {HTMLInputElement} */ (form.elements.namedItem(name));
}

/**
 * Says below a form how its sending went; an error is announced at once.
 * @param {HTMLFormElement} form
 * @param {'status' | 'alert'} role
 * @param {string} text
 */
export function tell(form, role, text) {
  for (const line of form.querySelectorAll('.feedback [role]')) {
    line.textContent = line.getAttribute('role') === role ? text : '';
  }
}

/** What an error says. @param {unknown} error */
export function messageOf(error) {
  return error instanceof Error ? error.message : String(error);
}

/**
 * Runs an action on submit, instead of the browser's own. What it returns is said below the
 * form, and so is what it throws.
 * @param {HTMLFormElement} form
 * @param {() => Promise<string> | string} action
 */
export function onSubmit(form, action) {
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    try {
      tell(form, 'status', await action());
    } catch (error) {
      tell(form, 'alert', messageOf(error));
    }
  });
}

/**
 * Makes a button copy the text of an element, and say so for a moment.
 * @param {HTMLElement} button
 * @param {HTMLElement} source
 */
export function copies(button, source) {
  const label = findElement(button, '[data-part=label]');
  const normal = label.textContent ?? '';
  let timer = 0;
  button.addEventListener('click', async () => {
    label.textContent = (await copy(source)) ? 'Copied' : 'Press Ctrl+C';
    clearTimeout(timer);
    timer = window.setTimeout(() => (label.textContent = normal), 2_000);
  });
}

/** @param {HTMLElement} source */
async function copy(source) {
  try {
    await navigator.clipboard.writeText(source.textContent ?? '');
    return true;
  } catch { // there is no clipboard on plain http, other than this machine's own
    getSelection()?.selectAllChildren(source);
    return document.execCommand('copy');
  }
}

const clock = new Intl.DateTimeFormat(undefined, {timeStyle: 'medium'});
const calendar = new Intl.DateTimeFormat(undefined, {dateStyle: 'medium', timeStyle: 'medium'});

/**
 * Shows a time, with the date unless it is today.
 * @param {Element} element that has a <time>
 * @param {number} milliseconds since 1970
 */
export function showTime(element, milliseconds) {
  const target = find(element, 'time', HTMLTimeElement);
  const time = new Date(milliseconds);
  const today = time.toDateString() === new Date().toDateString();
  target.dateTime = time.toISOString();
  target.textContent = (today ? clock : calendar).format(time);
  target.title = calendar.format(time);
}
