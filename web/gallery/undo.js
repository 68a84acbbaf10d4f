import {same} from './document.js';

/**
 * Step is what one change did to the objects that it was about.
 * @typedef {import('./document.js').Fields} Fields
 * @typedef {{id: string, before: Fields | undefined, after: Fields | undefined}[]} Step
 */

const MOST_STEPS = 200;

/**
 * Undo remembers the steps that one replica made, newest last, and what would take them back. That
 * is a new change, which leaves alone what somebody else has changed since:
 *
 * - a field gets its earlier value back if it still has the one that the step gave it;
 * - an object that the step made goes if it still is as the step made it;
 * - an object that the step dropped comes back, unless it has.
 */
export class Undo {
  /** @type {Step[]} */
  #done = [];
  /** @type {Step[]} */
  #undone = [];

  get canUndo() {
    return this.#done.length > 0;
  }

  get canRedo() {
    return this.#undone.length > 0;
  }

  /** Remembers a step; what was undone before it can't be redone any more. @param {Step} step */
  did(step) {
    push(this.#done, step);
    this.#undone = [];
  }

  /** Forgets a step that came to nothing. @param {Step} step */
  forget(step) {
    this.#done = this.#done.filter((other) => other !== step);
    this.#undone = this.#undone.filter((other) => other !== step);
  }

  /**
   * Takes the last step back that has something to take back.
   * @param {ReadonlyMap<string, Fields>} objects as they are now
   * @param {(change: import('./document.js').Change) => Step} perform makes a change
   */
  undo(objects, perform) {
    move(this.#done, this.#undone, objects, perform);
  }

  /** Takes the last undo back. @param {ReadonlyMap<string, Fields>} objects @param {(change: import('./document.js').Change) => Step} perform */
  redo(objects, perform) {
    move(this.#undone, this.#done, objects, perform);
  }
}

/**
 * @param {Step[]} from
 * @param {Step[]} to
 * @param {ReadonlyMap<string, Fields>} objects
 * @param {(change: import('./document.js').Change) => Step} perform
 */
function move(from, to, objects, perform) {
  for (let step = from.at(-1); step; step = from.at(-1)) {
    const change = reverse(step, objects);
    const opposite = change && perform(change); // which may fail: the step stays then
    from.pop();
    if (opposite) return push(to, opposite);
  }
}

/** @param {Step[]} steps @param {Step} step */
function push(steps, step) {
  steps.push(step);
  if (steps.length > MOST_STEPS) steps.shift();
}

/** The change that takes a step back; null: there is nothing left of it. @param {Step} step @param {ReadonlyMap<string, Fields>} objects */
function reverse(step, objects) {
  /** @type {{make: Record<string, Fields>, set: Record<string, Fields>, drop: string[]}} */
  const change = {make: {}, set: {}, drop: []};
  for (const {id, before, after} of step) {
    const now = objects.get(id);
    if (!after && before && !now) change.make[id] = before;
    if (after && !before && same(now, after)) change.drop.push(id);
    const fields = after && before && now ? reverseFields(before, after, now) : {};
    if (Object.keys(fields).length > 0) change.set[id] = fields;
  }
  const some = Object.keys(change.make).length + Object.keys(change.set).length + change.drop.length > 0;
  return some ? change : null;
}

/** @param {Fields} before @param {Fields} after @param {Fields} now */
function reverseFields(before, after, now) {
  /** @type {Record<string, any>} */
  const fields = {};
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    if (!same(before[name], after[name]) && same(now[name], after[name])) fields[name] = before[name] ?? null;
  }
  return fields;
}
