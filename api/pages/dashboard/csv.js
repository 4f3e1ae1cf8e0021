/**
 * A table as CSV (RFC 4180), by the rules of the API's own: values as they are, not as they are
 * shown, so that a program can read them.
 *
 * People write names, and a spreadsheet computes a cell that begins with `=`, `+`, `-` or `@`. The
 * rule is the API's (api/csv_form.py says why): wherever a reader may begin a cell, an apostrophe
 * makes such a text a text.
 *
 * @import { Table } from "./types.js"
 */

const BOM = "\ufeff"; // Excel reads a file without it in the encoding of the machine
const LINE_END = "\r\n";
const SIGNS = "=+-@\u2212"; // the last one is the mathematical minus
// biome-ignore lint/suspicious/noControlCharactersInRegex: a reader may begin a cell after each
const CELL_ENDS = /(?<=[;\uff1b\t\n\r\v\f\x1c-\x1e\x85\u2028\u2029])/;
// What shows nothing, so that a spreadsheet skips it, and quotes, which a reader removes.
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cn}\p{Co}\p{Z}\p{Mn}\p{Me}\u115f\u1160\u2800\u3164\uffa0"]/u;

/**
 * A table as the text of a file.
 * @param {Pick<Table, "columns" | "rows">} table
 */
export function csv({ columns, rows }) {
  const lines = [columns.map((column) => column.name), ...rows];
  return BOM + lines.map((line) => line.map(cell).join(",") + LINE_END).join("");
}

/**
 * A value as one cell; what is unknown is empty.
 * @param {unknown} value
 */
function cell(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  const text = withoutFormulas(Array.isArray(value) ? value.join("; ") : String(value));
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/**
 * A text in which no spreadsheet finds a formula; the text itself where there is none.
 * @param {string} text
 */
export function withoutFormulas(text) {
  return text
    .split(CELL_ENDS)
    .map((part) => (isFormula(part) ? `'${part}` : part))
    .join("");
}

/** @param {string} part what a reader may take for a whole cell */
function isFormula(part) {
  for (const sign of part) {
    // Compatibility forms: full-width, small, super- and subscript signs are taken for the signs.
    if (!UNSEEN.test(sign)) return SIGNS.includes(sign.normalize("NFKC")[0]);
  }
  return false;
}
