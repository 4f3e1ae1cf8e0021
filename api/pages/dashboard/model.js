/**
 * The model: one frozen object that the whole page is a function of.
 *
 * Nothing else holds what is shown: an action makes a new model, and the page is drawn from it.
 * Drawing changes in place only what differs, so scroll, focus and open popovers stay.
 *
 * @import { Model } from "./types.js"
 */

import { NOTHING_HEARD } from "./news.js";
import { read } from "./state.js";

/**
 * The model before anything is loaded.
 *
 * @typedef {Pick<Model, "language" | "zone" | "now" | "session">} First
 * @param {First & { query: string }} at
 * @returns {Model}
 */
export function firstModel({ query, language, zone, now, session }) {
  return Object.freeze({
    session,
    signed_out_reason: "",
    state: read(query),
    shown: null,
    is_loading: false,
    trouble: null,
    is_online: true,
    catalog: null,
    catalog_fault: "",
    changed: new Set(),
    has_keys: true,
    tables: new Set(),
    live: NOTHING_HEARD,
    later: null,
    kept: null,
    draft: null,
    language,
    zone,
    now,
    said: "",
  });
}

/**
 * Keeps the newest model, and calls `draw` once for all changes of one turn.
 *
 * @param {Model} first
 * @param {(model: Model) => void} draw
 */
export function createStore(first, draw) {
  let model = first;
  let isDue = false;
  return {
    get: () => model,
    /** @param {Partial<Model>} patch */
    set(patch) {
      model = Object.freeze({ ...model, ...patch });
      if (isDue) return;
      isDue = true;
      queueMicrotask(() => {
        isDue = false;
        draw(model);
      });
    },
  };
}
