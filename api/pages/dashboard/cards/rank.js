/**
 * A ranking: each row over a bar that shows its share of the first one.
 *
 * @import { Tree } from "../types.js"
 */

import { h } from "../vendor/preact.js";

/**
 * @typedef {object} RankRow
 * @property {string} key
 * @property {string} name
 * @property {string} [detail]
 * @property {string} amount
 * @property {number} value what the bar shows
 * @property {() => void} [open] shows what the row names
 */

/**
 * @param {RankRow[]} rows
 * @param {number} [most] the value of a full bar
 * @returns {Tree}
 */
export const rank = (rows, most = Math.max(...rows.map((row) => row.value))) =>
  h(
    "ol",
    { key: "rank", class: "rank" },
    rows.map((row, i) =>
      h(
        "li",
        { key: row.key },
        row.open === undefined
          ? h("div", { class: "rank-row" }, rowTree(row, i, most))
          : h(
              "button",
              { type: "button", class: "rank-row", "aria-haspopup": "dialog", onClick: row.open },
              rowTree(row, i, most),
            ),
      ),
    ),
  );

/** @param {RankRow} row @param {number} i @param {number} most */
const rowTree = ({ name, detail, amount, value }, i, most) => [
  h("span", { class: "rank-bar", style: { width: `${most > 0 ? (100 * value) / most : 0}%` } }),
  h("span", { class: "rank-place" }, i + 1),
  h("span", { class: "rank-name" }, name, detail !== undefined && h("small", null, detail)),
  h("span", { class: "rank-amount" }, amount),
];
