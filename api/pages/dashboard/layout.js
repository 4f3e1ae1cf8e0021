/**
 * The layout: which cards and tiles a page has, in which order and width.
 *
 * @import { Item, View } from "./types.js"
 */

import { OVERVIEW } from "./cards/index.js";
import { isFor } from "./view.js";

/**
 * Everything that is shown: the page, and the open person or conversation.
 *
 * @param {View} view
 * @returns {Item[]}
 */
export const itemsOf = (view) => [...pageItems(view), ...drillItems(view)];

/**
 * The items of the page itself: of the overview, or of the dashboard that is open.
 *
 * @param {View} view
 * @returns {Item[]}
 */
export const pageItems = (view) =>
  view.state.dashboard === ""
    ? OVERVIEW.filter((piece) => isFor(piece, view)).map(itemOf)
    : (view.later?.dashboardItems(view) ?? []);

/**
 * The items of the person or the conversation that is open.
 *
 * @param {View} view
 * @returns {Item[]}
 */
export const drillItems = (view) =>
  (view.later?.drillPieces(view) ?? []).filter((piece) => isFor(piece, view)).map(itemOf);

/** @param {Item["piece"] & {}} piece @returns {Item} */
const itemOf = (piece) => ({
  piece,
  id: piece.id,
  key: piece.id,
  width: piece.kind === "card" ? piece.width : 1,
  parameters: {},
});
