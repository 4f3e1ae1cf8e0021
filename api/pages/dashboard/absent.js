/**
 * What the page shows while it has no numbers.
 *
 * @import { Actions, Model, Tile, Card, Trouble, Tree } from "./types.js"
 */

import { OVERVIEW } from "./cards/index.js";
import { signIn } from "./signin.js";
import { h } from "./vendor/preact.js";

/**
 * The form to sign in, the reason why there is nothing, or the layout in grey.
 *
 * @param {Model} model that shows nothing
 * @param {Actions} actions
 * @returns {Tree}
 */
export function absent({ session, signed_out_reason, trouble }, actions) {
  if (session === null) return signIn(signed_out_reason, actions);
  if (trouble?.reason === "nothing_published") return nothingPublished(trouble);
  if (trouble?.reason === "too_old") return tooOld(trouble);
  if (trouble?.status === 403) return notAllowed(trouble, actions);
  return waiting(session.role === "admin" ? "admin" : "member");
}

/** @param {Trouble} trouble */
const nothingPublished = ({ detail }) =>
  h(
    "section",
    { key: "nothing", class: "card instead", "aria-labelledby": "nothing-title" },
    h("h2", { id: "nothing-title" }, "No data yet"),
    h("p", null, detail),
    h("p", null, "From a copy of the sources, that is ", h("code", null, "make etl"), "."),
    h("p", { class: "note" }, "This page goes on by itself as soon as there is a generation."),
  );

/** @param {Trouble} trouble */
const tooOld = ({ detail }) =>
  h(
    "section",
    { key: "too-old", class: "card instead", "aria-labelledby": "too-old-title" },
    h("h2", { id: "too-old-title" }, "No numbers at present"),
    h("p", null, detail),
    h("p", { class: "note" }, "This page goes on by itself as soon as there are newer ones."),
  );

/** @param {Trouble} trouble @param {Actions} actions */
const notAllowed = ({ detail }, actions) =>
  h(
    "section",
    { key: "not-allowed", class: "card instead", "aria-labelledby": "not-allowed-title" },
    h("h2", { id: "not-allowed-title" }, "You may not see these numbers"),
    h("p", null, detail),
    h(
      "button",
      { type: "button", class: "primary", onClick: actions.signOut },
      "Sign in with another token",
    ),
  );

/** The layout in grey. @param {"admin" | "member"} role */
function waiting(role) {
  const pieces = OVERVIEW.filter((piece) => piece.role === undefined || piece.role === role);
  return h(
    "div",
    { key: "waiting", class: "pieces", role: "status", "aria-label": "Loading" },
    h("div", { class: "tiles" }, pieces.filter((piece) => piece.kind === "tile").map(greyTile)),
    h("div", { class: "cards" }, pieces.filter((piece) => piece.kind === "card").map(greyCard)),
  );
}

/** @param {Tile} piece */
const greyTile = ({ id, title }) =>
  h("section", { key: id, class: "card tile" }, greyHead(title), h("div", { class: "wait" }));

/** @param {Card} piece */
const greyCard = ({ id, title, width }) =>
  h(
    "section",
    { key: id, class: `card width-${width}` },
    greyHead(title),
    h("div", { class: "wait wait-chart" }),
  );

/** @param {string} title */
const greyHead = (title) => h("header", { class: "card-head" }, h("h2", null, title));
