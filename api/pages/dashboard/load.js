/**
 * Loads one generation: all answers of a view, and never those of two generations.
 *
 * What is shown stays until everything is there; only the first load shows the tiles and the first
 * chart before the rest. Answers of the same generation are kept, so a change of the view asks only
 * what is new.
 *
 * @import { Actions, Answer, Model, Shown } from "./types.js"
 */

import { askAll, askGeneration } from "./ask.js";
import { lastDayKeys } from "./emptiness.js";
import { itemsOf } from "./layout.js";
import { keysOf, usableState, viewOf } from "./view.js";

/** How many cards the first answer contains, besides the tiles. */
const CARDS_AT_FIRST = 1;

/**
 * Load what the state of a model wants.
 *
 * @param {Model} model
 * @param {Actions} actions
 * @param {AbortSignal} signal
 * @param {(shown: Shown) => void} show receives what is to be shown, on a first load twice
 * @param {{ is_newest: boolean }} wanted is_newest: ask which generation serves, else stay with it
 * @throws {Refused}
 */
export async function load(model, actions, signal, show, { is_newest }) {
  const token = model.session?.token ?? "";
  const before = model.shown;
  const generation =
    before === null || is_newest ? await askGeneration(token, signal) : before.generation;
  const known =
    before?.generation.generation === generation.generation ? before.answers : new Map();
  const state = usableState(model.state, generation, model.zone);
  const wanted = { generation, state, answers: known, is_complete: false };
  const view = viewOf(model, wanted, actions);
  const items = itemsOf(view);

  const ask = async (/** @type {Iterable<string>} */ keys) =>
    askAll(keys, generation.generation, token, signal);
  const missing = [...keysOf(items, view)].filter((key) => !isKept(known.get(key)));
  const first = before === null ? keysOf(firstOf(items), view) : new Set();
  const [early, late] = split(missing, first);
  // One after the other: together they compete for the processors, and the head comes late.
  const answers = new Map([...known, ...(await ask(early))]);
  if (early.length > 0 && late.length > 0) show({ ...wanted, answers });
  const all = new Map([...answers, ...(await ask(late))]);
  const more = lastDayKeys(view, all).filter((key) => !isKept(all.get(key)));
  show({ ...wanted, answers: new Map([...all, ...(await ask(more))]), is_complete: true });
}

/** Whether an answer would be the same if it were asked again. @param {Answer | undefined} answer */
const isKept = (answer) => answer !== undefined && [200, 400, 403, 404].includes(answer.status);

/** @param {ReturnType<typeof itemsOf>} items */
function firstOf(items) {
  const tiles = items.filter((item) => item.piece?.kind === "tile");
  const cards = items.filter((item) => item.piece?.kind === "card");
  return [...tiles, ...cards.slice(0, CARDS_AT_FIRST)];
}

/** @param {string[]} keys @param {Set<string>} first */
function split(keys, first) {
  return [keys.filter((key) => first.has(key)), keys.filter((key) => !first.has(key))];
}
