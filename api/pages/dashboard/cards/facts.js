/**
 * Numbers with their names.
 *
 * @import { Column, Tree } from "../types.js"
 */

import { h } from "../vendor/preact.js";

const LENGTH_MAX = 12; // of a value that takes one place

/**
 * @typedef {object} Fact
 * @property {string} name
 * @property {string} value
 * @property {string} [className] of its color
 */

/**
 * @param {Fact[]} list
 * @returns {Tree}
 */
export const facts = (list) =>
  h(
    "dl",
    { key: "facts", class: "facts" },
    list.map(({ name, value, className }) =>
      h(
        "div",
        { key: name, class: value.length > LENGTH_MAX ? "wide" : undefined },
        h(
          "dt",
          null,
          className !== undefined && h("i", { class: className, "aria-hidden": "true" }),
          name,
        ),
        h("dd", null, value),
      ),
    ),
  );

/**
 * The fields of one row.
 *
 * @param {Column[]} columns
 * @param {any} row
 */
export const factsOf = (columns, row) =>
  facts(
    columns.map(({ name, title, format = String }) => ({ name: title, value: format(row[name]) })),
  );
