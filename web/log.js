import {find, findElement} from './dom.js';

const AT_END = 24; // px from the end that still count as being there
const FRAME = 16; // ms
const MOST_CHANGES = 1_000; // a hidden tab's timers may be a minute late

/**
 * Log is a list in a box that scrolls. While its end is in view it stays in view; else what
 * one is reading stays where it is, and a button leads to the end.
 *
 * The element holds a [data-part=scroller] with a [data-part=list], and a [data-part=newest]
 * button. It has data-empty while the list is empty.
 */
export class Log {
  list;
  #root;
  #scroller;
  #newest;
  #atEnd = true;
  /** @type {(() => void)[]} to be done soon */
  #changes = [];

  /** @param {HTMLElement} root */
  constructor(root) {
    this.#root = root;
    this.#scroller = findElement(root, '[data-part=scroller]');
    this.#newest = find(root, '[data-part=newest]', HTMLButtonElement);
    this.list = findElement(root, '[data-part=list]');
    this.#root.toggleAttribute('data-empty', true);
    this.#newest.addEventListener('click', () => this.#toEnd());
    this.#scroller.addEventListener('scroll', () => this.#look(), {passive: true});
    new ResizeObserver(() => this.#atEnd && this.#toEnd()).observe(this.#scroller);
  }

  /** Whether the end is in view. */
  get atEnd() {
    return this.#atEnd;
  }

  /**
   * Changes the list within a frame's time, together with what else is to be changed by then:
   * one layout for many messages.
   * @param {() => void} change
   */
  soon(change) {
    const length = this.#changes.push(change);
    if (length === 1) setTimeout(() => this.now(() => {}), FRAME);
    if (length > MOST_CHANGES) this.now(() => {});
  }

  /** Changes the list now. @param {() => void} change */
  now(change) {
    const changes = [...this.#changes.splice(0), change];
    const anchor = this.#atEnd ? null : this.#firstInView();
    const before = anchor?.offsetTop ?? 0;
    const last = this.list.lastElementChild;
    for (const apply of changes) apply();
    this.#root.toggleAttribute('data-empty', this.list.childElementCount === 0);
    if (this.#atEnd) return this.#toEnd();
    if (anchor?.isConnected) this.#scroller.scrollTop += anchor.offsetTop - before;
    if (this.list.lastElementChild !== last) this.#newest.hidden = false;
  }

  #toEnd() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#atEnd = true;
    this.#newest.hidden = true;
  }

  #look() {
    const {scrollTop, clientHeight, scrollHeight} = this.#scroller;
    this.#atEnd = scrollTop + clientHeight >= scrollHeight - AT_END;
    if (this.#atEnd) this.#newest.hidden = true;
  }

  #firstInView() {
    const rows = /** @type {HTMLElement[]} */ ([...this.list.children]);
    return rows.find((row) => row.offsetTop + row.offsetHeight > this.#scroller.scrollTop);
  }
}
