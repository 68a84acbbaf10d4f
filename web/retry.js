const LEAST = 500; // ms, the shortest wait
const MOST = 20_000; // ms, the longest
const STABLE = 5_000; // ms after which a success makes earlier failures forgotten

/**
 * Repeats an action that failed: after 0.5 s to 1 s at first, then after ever
 * longer waits of up to 20 s. Each wait is random, so that the clients of a hub
 * that comes back do not all arrive at once.
 */
export class Retry {
  #action;
  #onWait;
  #attempt = 0;
  #due = 0;
  #upSince = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {() => void} action
   * @param {(seconds: number) => void} [onWait] is told how long is left, each second
   */
  constructor(action, onWait = () => {}) {
    this.#action = action;
    this.#onWait = onWait;
  }

  /** Runs the action later. */
  schedule() {
    if (this.#upSince && Date.now() - this.#upSince > STABLE) this.#attempt = 0;
    this.#upSince = 0;
    const spread = Math.min(MOST - LEAST, LEAST * 2 ** this.#attempt++);
    this.#due = Date.now() + LEAST + Math.random() * spread;
    this.#tick();
  }

  /** Runs the action at once, instead of any scheduled run. */
  now() {
    this.cancel();
    this.#action();
  }

  cancel() {
    clearTimeout(this.#timer);
  }

  /** Says that the action has worked. */
  succeeded() {
    this.#upSince = Date.now();
  }

  #tick() {
    this.cancel();
    const left = this.#due - Date.now();
    if (left <= 0) return this.now();
    this.#onWait(Math.ceil(left / 1000));
    this.#timer = setTimeout(() => this.#tick(), left % 1000 || 1000);
  }
}
