/**
 * A table of numbers that scrolls in its card.
 *
 * @import { Table } from "./types.js"
 */

import { h } from "./vendor/preact.js";

/**
 * @param {string} title
 * @param {Table} table
 */
export const tableTree = (title, table) =>
  h(
    "div",
    { key: "table", class: "scroll", tabIndex: 0, role: "region", "aria-label": `${title}, table` },
    h(
      "table",
      null,
      h("caption", { class: "hidden" }, title),
      h(
        "thead",
        null,
        h(
          "tr",
          null,
          table.columns.map((column) => h("th", { key: column.name, scope: "col" }, column.title)),
        ),
      ),
      h(
        "tbody",
        null,
        table.rows.map((row, i) =>
          h(
            "tr",
            { key: i },
            row.map((_, j) =>
              j === 0
                ? h("th", { key: j, scope: "row" }, cellText(table, i, j))
                : h("td", { key: j }, cellText(table, i, j)),
            ),
          ),
        ),
      ),
    ),
  );

/**
 * What a cell shows.
 *
 * @param {Table} table
 * @param {number} row
 * @param {number} column
 */
export function cellText({ rows, columns }, row, column) {
  const value = rows[row][column];
  const { format } = columns[column];
  return format === undefined ? String(value ?? "–") : format(value);
}

/** What a row is called. @param {Table} table @param {number} row */
export const labelOf = (table, row) => table.label?.(row) ?? cellText(table, row, 0);

/**
 * The numbers of a row with their titles.
 *
 * @param {Table} table
 * @param {number} row
 */
export const valuesOf = (table, row) =>
  table.columns.flatMap(({ title, is_key: isKey }, i) =>
    i === 0 || isKey ? [] : [{ title, text: cellText(table, row, i) }],
  );
