/**
 * The help: what the keys do, and how to read the page.
 *
 * @import { Actions, Model } from "./types.js"
 */

import { h } from "./vendor/preact.js";

const KEYS = [
  { keys: ["1", "7", "3", "9"], does: "24 hours, 7 days, 30 days, 90 days" },
  { keys: ["c"], does: "compare with the period before, or not" },
  { keys: ["?"], does: "this help" },
  { keys: ["Esc"], does: "close what is open" },
  { keys: ["←", "→", "Home", "End"], does: "read the values of a chart that has the focus" },
];
const POINTS = [
  "The ? beside a title defines its number.",
  "Each chart is also a table, and can be saved.",
  "Hatched or dashed: the day, week or month is not over.",
  "The address is the view: who opens it sees the same, as far as they may.",
];

/**
 * @param {Model} model
 * @param {Actions} actions
 */
export const helpTree = ({ has_keys }, actions) => [
  h("h3", { key: "keys" }, "Keys"),
  h(
    "dl",
    { key: "list" },
    KEYS.flatMap(({ keys, does }) => [
      h(
        "dt",
        { key: does },
        keys.map((key) => h("kbd", { key }, key)),
      ),
      h("dd", { key: `${does} value` }, does),
    ]),
  ),
  h(
    "label",
    { key: "switch", class: "check" },
    h("input", {
      type: "checkbox",
      checked: has_keys,
      onChange: (/** @type {any} */ event) => actions.setKeys(event.currentTarget.checked),
    }),
    "Single keys do this",
  ),
  h("h3", { key: "reading" }, "Reading the page"),
  h(
    "ul",
    { key: "points", class: "points" },
    POINTS.map((point) => h("li", { key: point }, point)),
  ),
];
