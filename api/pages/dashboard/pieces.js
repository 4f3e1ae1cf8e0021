/**
 * The pieces of a page or of a panel: tiles in strips, cards in a grid.
 *
 * @import { Actions, Card, Item, Model, Shown, Tile, Tree, View } from "./types.js"
 */

import { cardTree } from "./card.js";
import { tileTree } from "./tile.js";
import { h } from "./vendor/preact.js";

/**
 * Tiles and cards; tiles that follow each other are one strip.
 *
 * @param {Item[]} items
 * @param {View} view
 * @param {Shown} shown
 * @param {Model} model
 * @param {Actions} actions
 * @returns {Tree[]}
 */
export const piecesTree = (items, view, shown, model, actions) =>
  inStrips(items).map((strip) =>
    strip[0].piece?.kind === "tile"
      ? h(
          "div",
          { key: `tiles-${strip[0].key}`, class: "tiles" },
          strip.map((item) =>
            tileTree(/** @type {Item & { piece: Tile }} */ (item), view, shown, model, actions),
          ),
        )
      : h(
          "div",
          { key: `cards-${strip[0].key}`, class: "cards" },
          strip.map((item) =>
            item.piece === null
              ? unknown(item)
              : cardTree(/** @type {Item & { piece: Card }} */ (item), view, shown, model, actions),
          ),
        ),
  );

/** @param {Item[]} items @returns {Item[][]} */
function inStrips(items) {
  /** @type {Item[][]} */
  const strips = [];
  for (const item of items) {
    const last = strips.at(-1);
    const isTile = item.piece?.kind === "tile";
    if (last !== undefined && (last[0].piece?.kind === "tile") === isTile) last.push(item);
    else strips.push([item]);
  }
  return strips;
}

/** @param {Item} item */
const unknown = ({ key, id, width }) =>
  h(
    "section",
    { key, class: `card width-${width}` },
    h("p", { class: "empty" }, `This version does not know the card "${id}".`),
  );
