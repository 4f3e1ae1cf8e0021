/**
 * The menu that saves a card.
 *
 * @import { Actions, Card, Content, Item, Model, View } from "./types.js"
 */

import { popover } from "./popover.js";
import { h } from "./vendor/preact.js";

/**
 * A button, and the menu that it opens.
 *
 * @param {Item & { piece: Card }} item
 * @param {Content} content
 * @param {View} view
 * @param {Model} model
 * @param {Actions} actions
 */
export function saveMenu({ piece, key }, content, view, model, actions) {
  const id = `save-${key}`;
  return [
    h("button", { key: "open", type: "button", class: "tool", popovertarget: id }, "Save"),
    popover(
      { id, label: `Save ${piece.title}`, className: "below menu" },
      model.later?.saveButtons(piece, content, view, actions) ?? null,
      actions.wantLater,
    ),
  ];
}
