/**
 * The `?` of a number: a button, and the popover with its definition.
 *
 * @import { Actions, Card, Item, Model, Shown, Tile, View } from "./types.js"
 */

import { popover } from "./popover.js";
import { h } from "./vendor/preact.js";

/**
 * The button and its popover.
 *
 * @param {Item & { piece: Card | Tile }} item
 * @param {View} view
 * @param {Shown} shown
 * @param {Model} model
 * @param {Actions} actions
 */
export function explanation({ key, piece }, view, shown, model, actions) {
  if (piece.metrics.length === 0) return null;
  const id = `explain-${key}`;
  const label = `How "${piece.title}" is defined`;
  return [
    h("button", {
      key: "button",
      type: "button",
      class: "explain",
      popovertarget: id,
      "aria-label": label,
    }),
    popover({ id, label }, contentOf(piece, view, shown, model, actions), () => {
      actions.wantCatalog();
      actions.wantLater();
    }),
  ];
}

/**
 * The definitions; null until they are there.
 *
 * @param {Card | Tile} piece
 * @param {View} view
 * @param {Shown} shown
 * @param {Model} model
 * @param {Actions} actions
 */
function contentOf(piece, view, shown, { catalog, catalog_fault, later }, actions) {
  if (catalog_fault !== "") return h("p", null, catalog_fault);
  if (catalog === null || later === null) return null;
  return later.definitions(piece, view, shown, catalog, actions);
}
