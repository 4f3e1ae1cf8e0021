/**
 * Rows and columns of colored cells: weekdays and hours, cohorts and weeks, or, with low cells, event
 * types and minutes.
 *
 * The color of a cell is its rank, not its share of the largest: one peak would make all else pale.
 * So each of six steps has about as many cells, and equal numbers have equal colors.
 *
 * @import { Drawing } from "../types.js"
 */

import { h } from "../vendor/preact.js";
import {
  bottomLabels,
  fitting,
  picture,
  SHIFT_TO_MIDDLE,
  shortened,
  TICK_GAP,
  tenth,
  textWidth,
} from "./axis.js";

const STEPS = 6;

const TOP = 2;
const RIGHT = 4;
const BOTTOM = 22; // room for the labels of the columns

/** @typedef {number | null} Value null is unknown */

/**
 * Which of the steps 1 to 6 a value has among others, by rank; 0 for nothing.
 * @param {Value[]} values all that are compared
 * @returns {(value: Value) => number}
 */
export function heatSteps(values) {
  const ranked = values
    .filter((value) => value !== null && value > 0)
    .sort((a, b) => Number(a) - Number(b));
  return (value) => {
    if (value === null || value <= 0) return 0;
    const below = ranked.findIndex((one) => Number(one) >= value); // equal numbers, equal rank
    return below < 0 ? STEPS : 1 + Math.floor((STEPS * below) / ranked.length);
  };
}

/**
 * The class that colors a cell; what is unknown has an outline only.
 * @param {Value} value
 * @param {(value: Value) => number} stepOf
 */
export function heatClass(value, stepOf) {
  return value === null ? "heat-unknown" : `heat-${stepOf(value)}`;
}

/**
 * A chart of colored cells.
 * @param {object} given
 * @param {number} given.width pixels
 * @param {number} [given.cellHeight] pixels; the height follows from the number of rows
 * @param {string[]} given.rows labels
 * @param {string[]} given.columns labels, of which those that fit are shown
 * @param {Value[][]} given.values by row and column
 * @param {number[]} [given.strides] every how many columns have a label: of hours 1, 2, 3, 4, 6
 * @param {string} given.sentence what the chart says
 * @returns {Drawing}
 */
export function heatmap({ width, cellHeight = 26, rows, columns, values, strides, sentence }) {
  // No label takes more than a third of the chart from its cells.
  const room = Math.min(width / 3, Math.max(0, ...rows.map(textWidth)));
  const left = Math.ceil(room) + TICK_GAP;
  const step = Math.max(1, (width - left - RIGHT) / Math.max(1, columns.length));
  const gap = step < 8 ? 1 : 2;
  const height = TOP + rows.length * cellHeight + BOTTOM;
  const stepOf = heatSteps(values.flat());
  const middle = (/** @type {number} */ column) => left + step * column + (step - gap) / 2;

  const cells = rows.map((row, i) =>
    h(
      "g",
      { class: "marks" },
      h(
        "text",
        {
          class: "tick",
          x: left - TICK_GAP,
          y: TOP + (i + 0.5) * cellHeight + SHIFT_TO_MIDDLE - gap / 2,
          "text-anchor": "end",
        },
        shortened(row, room),
      ),
      columns.map((_, j) =>
        h("rect", {
          class: `cell ${heatClass(values[i][j], stepOf)}`,
          x: tenth(left + j * step),
          y: TOP + i * cellHeight,
          width: tenth(step - gap),
          height: cellHeight - gap,
          rx: Math.min(3, tenth(step / 4)),
        }),
      ),
    ),
  );
  const labels = fitting({ labels: columns, middle, width, keep: "first", strides });
  const tree = picture(
    { width, height, sentence, className: "chart heat" },
    cells,
    bottomLabels(columns, labels, height),
  );
  const inner = { top: TOP, step: cellHeight, count: rows.length };
  const tall = rows.length * cellHeight;
  return { tree, plot: { left, step, count: columns.length, top: TOP, height: tall, rows: inner } };
}
