/**
 * Ticks, grid lines and labels: what every chart with a scale has around its marks.
 *
 * Nothing is measured: a pure function has no fonts. Widths of texts are estimated, a little too wide
 * rather than too narrow, so labels never touch.
 *
 * @import { ComponentChildren, VNode } from "preact"
 */

import { h } from "../vendor/preact.js";

/** Pixels; the size of `.tick` in chart.css. */
export const FONT_SIZE = 11.5;

const BASELINE = 6; // from the bottom edge of a chart up to the baseline of its labels
const LABEL_GAP = 8; // between two labels of an axis
/** Between the labels on the left and the plot. */
export const TICK_GAP = 8;
export const SHIFT_TO_MIDDLE = 4; // from the middle of a line of text down to its baseline
// Widths in ems, of fonts that are rather wide, as Verdana is.
const NARROW = /[ijlft.,:;'|!() -]/;
const WIDE = /[mwMW@%…\u1100-\u{10FFFF}]/u; // Hangul, Han, kana and emoji are squares

/**
 * @typedef {object} Frame The plot of a chart and its scale.
 * @property {number} left
 * @property {number} top
 * @property {number} width of the plot
 * @property {number} height of the plot
 * @property {(value: number) => number} y where a value is
 * @property {VNode[]} grid lines and labels of the scale
 */

/**
 * Rounds to a tenth of a pixel: finer is not seen and makes files long.
 * @param {number} pixels
 */
export function tenth(pixels) {
  return Math.round(pixels * 10) / 10;
}

/**
 * The smallest of 1, 2, 2.5 and 5 times a power of ten that is at least so much.
 * @param {number} least
 */
export function decimalStep(least) {
  const power = 10 ** Math.floor(Math.log10(least));
  return /** @type {number} */ ([1, 2, 2.5, 5, 10].find((digit) => digit * power >= least)) * power;
}

/**
 * The same in whole numbers, for what is counted: nobody writes 2.5 messages.
 * @param {number} least
 */
export function wholeStep(least) {
  if (least <= 1) return 1;
  const step = decimalStep(least);
  return Number.isInteger(step) ? step : 2 * step;
}

/**
 * The same in seconds, by the steps of a clock.
 * @param {number} least
 */
export function durationStep(least) {
  const [minute, hour, day] = [60, 3600, 86400];
  const steps = [1, 2, 5, 10, 15, 30]
    .concat([1, 2, 5, 10, 15, 30].map((count) => count * minute))
    .concat([1, 2, 3, 6, 12].map((count) => count * hour));
  return steps.find((step) => step >= least) ?? day * wholeStep(least / day);
}

/**
 * The numbers that a scale shows: multiples of one step, from the last one not above `low` to the
 * first one not below `high`, with 0 among them.
 * @param {number} low at most 0
 * @param {number} high at least 0
 * @param {number} wanted about how many steps
 * @param {(least: number) => number} stepOf
 * @returns {number[]} ascending, two at least
 */
export function ticks(low, high, wanted = 4, stepOf = wholeStep) {
  const step = stepOf((high - low) / wanted || 1);
  const first = Math.floor(low / step);
  const last = Math.max(Math.ceil(high / step), first + 1);
  // Multiples, not sums: 0.1 + 0.2 is no tick.
  return Array.from({ length: last - first + 1 }, (_, i) =>
    Number(((first + i) * step).toPrecision(12)),
  );
}

/**
 * About how wide a text of an axis is, in pixels.
 * @param {string} text
 */
export function textWidth(text) {
  let ems = 0;
  for (const sign of text) ems += NARROW.test(sign) ? 0.41 : WIDE.test(sign) ? 1.02 : 0.68;
  return ems * FONT_SIZE;
}

/**
 * A text that fits, cut with an ellipsis where it must be.
 * @param {string} text
 * @param {number} room pixels
 */
export function shortened(text, room) {
  if (textWidth(text) <= room) return text;
  const signs = [...text];
  while (signs.length > 1 && textWidth(`${signs.join("")}…`) > room) signs.pop();
  return `${signs.join("").trimEnd()}…`;
}

/**
 * The plot of a chart: a scale on its left, room for labels below, the grid.
 * @param {object} given
 * @param {number} given.width of the chart, pixels
 * @param {number} given.height of the chart, pixels
 * @param {number} given.low lowest value, at most 0
 * @param {number} given.high highest value, at least 0
 * @param {(value: number) => string} given.format of the ticks
 * @param {number} [given.wanted] about how many steps between the ticks
 * @param {(least: number) => number} [given.stepOf] of the ticks
 * @returns {Frame}
 */
export function frame({ width, height, low, high, format, wanted = 4, stepOf = wholeStep }) {
  const marks = ticks(low, high, wanted, stepOf);
  const texts = marks.map(format);
  const left = Math.ceil(Math.max(...texts.map(textWidth))) + TICK_GAP;
  const [top, right, bottom] = [10, 8, 24];
  const plotWidth = Math.max(1, width - left - right);
  const plotHeight = Math.max(1, height - top - bottom);
  const [lowest, highest] = [marks[0], marks[marks.length - 1]];
  const y = (/** @type {number} */ value) =>
    top + (plotHeight * (highest - value)) / (highest - lowest);
  const grid = marks.map((mark, i) => {
    const at = Math.floor(y(mark)) + 0.5; // half a pixel: a line of one pixel is sharp
    return h(
      "g",
      { class: "grid" },
      h("line", {
        class: mark === 0 ? "rule base" : "rule",
        x1: left,
        x2: left + plotWidth,
        y1: at,
        y2: at,
      }),
      h(
        "text",
        { class: "tick", x: left - TICK_GAP, y: at + SHIFT_TO_MIDDLE, "text-anchor": "end" },
        texts[i],
      ),
    );
  });
  return { left, top, width: plotWidth, height: plotHeight, y, grid };
}

/**
 * @typedef {object} PlacedLabel
 * @property {number} index of the label
 * @property {number} x middle of the text
 */

/**
 * The labels that fit: every n-th one, with the smallest n at which none touches another. A label at
 * an edge is moved inwards as far as it would leave the chart.
 * @param {object} given
 * @param {string[]} given.labels
 * @param {(index: number) => number} given.middle of what a label is for
 * @param {number} given.width of the chart: no text is beyond 0 and this
 * @param {"first" | "last"} given.keep which label is always shown
 * @param {number[]} [given.strides] the n that may be, ascending; by default every one
 * @returns {PlacedLabel[]} from left to right
 */
export function fitting({ labels, middle, width, keep, strides }) {
  const all = strides ?? labels.map((_, i) => i + 1);
  for (const stride of all) {
    const from = keep === "first" ? 0 : (labels.length - 1) % stride;
    const placed = [];
    for (let index = from; index < labels.length; index += stride) {
      const half = textWidth(labels[index]) / 2;
      placed.push({ index, x: Math.max(half, Math.min(width - half, middle(index))) });
    }
    if (!touching(labels, placed)) return placed;
  }
  const index = keep === "first" ? 0 : labels.length - 1;
  return labels.length ? [{ index, x: middle(index) }] : [];
}

/**
 * @param {string[]} labels
 * @param {PlacedLabel[]} placed
 */
function touching(labels, placed) {
  return placed.some(({ index, x }, i) => {
    if (i === 0) return false;
    const before = placed[i - 1];
    const halves = (textWidth(labels[index]) + textWidth(labels[before.index])) / 2;
    return x - before.x < halves + LABEL_GAP;
  });
}

/**
 * Labels below a plot.
 * @param {string[]} labels
 * @param {PlacedLabel[]} placed
 * @param {number} height of the chart
 */
export function bottomLabels(labels, placed, height) {
  return placed.map(({ index, x }) =>
    h(
      "text",
      { class: "tick", x: tenth(x), y: height - BASELINE, "text-anchor": "middle" },
      labels[index],
    ),
  );
}

/**
 * The buckets of a plot over time: equally wide, with those labels that fit, always the last one.
 * @param {string[]} labels
 * @param {Frame} box
 * @param {number} width of the chart
 * @param {number} height of the chart
 */
export function buckets(labels, box, width, height) {
  const { left, top, height: tall } = box;
  const step = box.width / Math.max(1, labels.length);
  const middle = (/** @type {number} */ i) => left + step * (i + 0.5);
  const placed = fitting({ labels, middle, width, keep: "last" });
  return {
    step,
    middle,
    labels: bottomLabels(labels, placed, height),
    plot: { left, step, count: labels.length, top, height: tall },
  };
}

/**
 * The element that holds a chart: one picture with a sentence, for people who cannot see it.
 * @param {object} given
 * @param {number} given.width
 * @param {number} given.height
 * @param {string} given.sentence what the chart says
 * @param {string} [given.className]
 * @param {ComponentChildren[]} children
 */
export function picture({ width, height, sentence, className = "chart" }, ...children) {
  return h(
    "svg",
    {
      class: className,
      width,
      height,
      viewBox: `0 0 ${width} ${height}`,
      role: "img",
      "aria-label": sentence,
    },
    ...children,
  );
}
