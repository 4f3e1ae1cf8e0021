/**
 * A chart that leaves the page: with its title above, its legend, and below it what the numbers are
 * of. For files that are saved.
 *
 * @import { VNode } from "preact"
 * @import { LegendItem } from "../types.js"
 */

import { h } from "../vendor/preact.js";
import { picture, tenth, textWidth } from "./axis.js";
import { hatch } from "./time.js";

const EDGE = 16;
const TITLE_SIZE = 17; // pixels; the size of `.poster-title` in chart.css
const LINE = 20; // from one line of small text to the next
const SWATCH = 11;
const SWATCH_GAP = 5;
const ITEM_GAP = 18;

/**
 * A drawing with its frame of words.
 * @param {object} given
 * @param {VNode<any>} given.tree an `svg` element, `width` pixels wide
 * @param {number} given.width of the drawing
 * @param {string} given.title
 * @param {LegendItem[]} [given.legend]
 * @param {string[]} given.notes lines below the drawing
 * @returns {VNode<any>}
 */
export function poster({ tree, width, title, legend = [], notes }) {
  const rows = wrapped(legend, width);
  const titleLine = EDGE + TITLE_SIZE;
  const chartTop = titleLine + EDGE / 2 + rows.length * LINE;
  const notesTop = chartTop + tree.props.height + LINE;
  const full = { width: width + 2 * EDGE, height: notesTop + (notes.length - 1) * LINE + EDGE };
  return picture(
    { ...full, sentence: title, className: "poster" },
    h("rect", { class: "poster-back", ...full }),
    h("text", { class: "poster-title", x: EDGE, y: titleLine }, title),
    rows.flatMap((row, i) => row.map(({ item, x }) => swatch(item, x, titleLine + (i + 1) * LINE))),
    h("g", { transform: `translate(${EDGE} ${chartTop})` }, tree),
    notes.map((note, i) => h("text", { class: "tick", x: EDGE, y: notesTop + i * LINE }, note)),
  );
}

/**
 * The items of a legend in rows that are no wider than the drawing.
 * @param {LegendItem[]} legend
 * @param {number} width
 */
function wrapped(legend, width) {
  /** @type {{ item: LegendItem, x: number }[][]} */
  const rows = [];
  let x = Number.POSITIVE_INFINITY;
  for (const item of legend) {
    const room = SWATCH + SWATCH_GAP + textWidth(item.label);
    if (x + room > EDGE + width) {
      rows.push([]);
      x = EDGE;
    }
    rows[rows.length - 1].push({ item, x: tenth(x) });
    x += room + ITEM_GAP;
  }
  return rows;
}

/**
 * An item of a legend.
 * @param {LegendItem} item
 * @param {number} x
 * @param {number} baseline
 */
function swatch({ className, label }, x, baseline) {
  const text = h("text", { class: "tick", x: x + SWATCH + SWATCH_GAP, y: baseline }, label);
  const names = className.split(" ");
  const top = baseline - SWATCH;
  if (names.includes("ghost")) {
    return [
      h("path", { class: `line ${className}`, d: `M${x},${top + SWATCH / 2}h${SWATCH}` }),
      text,
    ];
  }
  const kind = className.startsWith("heat-") ? "cell" : "bar";
  const box = { x, y: top, width: SWATCH, height: SWATCH, rx: 2 };
  const rectangle = h("rect", { class: `${kind} ${className}`, ...box });
  if (!names.includes("partial")) return [rectangle, text];
  const lines = h("path", { class: `hatch ${className}`, d: hatch(x, top, SWATCH, SWATCH) });
  return [rectangle, lines, text];
}
