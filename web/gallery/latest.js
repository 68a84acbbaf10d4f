/**
 * Latest asks for what is typed, one question at a time: of what is typed meanwhile only the
 * newest is asked next, and the answer to anything older is never shown. So however fast one
 * types, and however slow the hub is, no question waits for another's answer in vain.
 * @template Answer
 */
export class Latest {
  #ask;
  #show;
  /** @type {string | null} what the reader wants to know; null: nothing */
  #wanted = null;
  #busy = false;

  /**
   * @param {(text: string) => Promise<Answer>} ask
   * @param {(text: string, answer: Answer | null, error: unknown) => void} show is told the answer,
   *   or null and why there is none
   */
  constructor(ask, show) {
    this.#ask = ask;
    this.#show = show;
  }

  /** Asks as soon as no other call is under way. @param {string} text */
  want(text) {
    this.#wanted = text;
    if (!this.#busy) this.#run();
  }

  async #run() {
    this.#busy = true;
    while (this.#wanted !== null) {
      const text = this.#wanted;
      const [answer, error] = await this.#ask(text).then((it) => [it, null], (reason) => [null, reason]);
      if (text !== this.#wanted) continue;
      this.#wanted = null;
      this.#show(text, answer, error);
    }
    this.#busy = false;
  }
}
