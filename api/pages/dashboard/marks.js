/**
 * How long the page took, as marks that a browser's tools and the bench read: `first-chart` and
 * `complete`, each in the frame in which it is seen.
 *
 * @import { Model } from "./types.js"
 */

/** @type {Set<string>} */
const marked = new Set();

/** @param {Pick<Model, "shown">} model that was drawn */
export function mark({ shown }) {
  if (shown === null) return;
  markOnce("first-chart");
  if (shown.is_complete) markOnce("complete");
}

/** @param {string} name */
function markOnce(name) {
  if (marked.has(name)) return;
  marked.add(name);
  requestAnimationFrame(() => performance.mark(name));
}
