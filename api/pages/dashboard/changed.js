/**
 * What a new generation has changed: the answers that say something else than before.
 *
 * @import { Shown } from "./types.js"
 */

// Every answer has them, and they differ in every generation.
const ALWAYS_NEW = new Set(["generation", "data_through", "since", "until"]);

/**
 * The keys of the asks whose answers differ between two generations; empty if it is the same one.
 *
 * @param {Shown | null} before
 * @param {Shown} shown
 * @returns {ReadonlySet<string>}
 */
export function changedKeys(before, shown) {
  if (before === null || before.generation.generation === shown.generation.generation) {
    return new Set();
  }
  const keys = [...shown.answers.keys()].filter((key) => before.answers.has(key));
  return new Set(
    keys.filter(
      (key) => textOf(before.answers.get(key)?.body) !== textOf(shown.answers.get(key)?.body),
    ),
  );
}

/** @param {unknown} body */
const textOf = (body) =>
  JSON.stringify(body, (name, value) => (ALWAYS_NEW.has(name) ? undefined : value)) ?? "";
