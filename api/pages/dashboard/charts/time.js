/**
 * Something over time: bars, lines or areas, one place a bucket.
 *
 * What is not over yet must not look like a fall: a partial bar is hatched, and a line to or from a
 * partial bucket is dashed. What is unknown (null) is a gap, never a zero. The earlier period is a
 * dashed gray line, a *ghost*, bucket by bucket above the same labels.
 *
 * @import { Drawing } from "../types.js"
 * @import { Frame } from "./axis.js"
 */

import { h } from "../vendor/preact.js";
import { buckets, frame, picture, tenth } from "./axis.js";
import { line } from "./line.js";

/**
 * @typedef {object} Series
 * @property {string} className its color: series-1 to series-6, series-lost or series-ghost
 * @property {(number | null)[]} values one a bucket; null is unknown
 * @property {"bar" | "line" | "area"} kind an area is a line with the space below it tinted
 * @property {boolean} [isGhost] whether it is the earlier period: dashed, and all of it is over
 */

/**
 * A chart over time.
 * @param {object} given
 * @param {number} given.width pixels
 * @param {number} given.height pixels
 * @param {string[]} given.labels one a bucket
 * @param {Series[]} given.series drawn in this order; several bars of a bucket stand side by side
 * @param {boolean[]} [given.partial] which buckets the period cuts
 * @param {(value: number) => string} given.format of the ticks
 * @param {(least: number) => number} [given.stepOf] of the ticks: durationStep for seconds
 * @param {string} given.sentence what the chart says
 * @returns {Drawing}
 */
export function timeChart({
  width,
  height,
  labels,
  series,
  partial = [],
  format,
  stepOf,
  sentence,
}) {
  const known = series.flatMap((one) => one.values.slice(0, labels.length).map(Number)); // null is 0
  const box = frame({ width, height, low: 0, high: Math.max(0, ...known), format, stepOf });
  const { step, middle, labels: named, plot } = buckets(labels, box, width, height);
  const bars = series.filter((one) => one.kind === "bar");

  const drawn = series.map((one) => {
    const values = one.values.slice(0, labels.length);
    if (one.kind !== "bar") return line({ ...one, values }, partial, middle, box.y);
    const place = barPlace(step, bars.length, bars.indexOf(one));
    return values.map((value, i) =>
      value === null
        ? null
        : bar(one.className, i, middle(i) + place.shift, place.width, value, partial[i], box),
    );
  });

  const tree = picture(
    { width, height, sentence },
    box.grid,
    drawn.map((marks) => h("g", { class: "marks" }, marks)),
    named,
  );
  return { tree, plot };
}

/**
 * How wide a bar is, and how far from the middle of its bucket.
 * @param {number} step the width of a bucket
 * @param {number} count of bars side by side
 * @param {number} index among them
 */
function barPlace(step, count, index) {
  const share = step > 8 ? 0.68 : 0.86; // many bars need their room themselves
  const width = Math.min(40, Math.max(1, (step * share) / count));
  return { width, shift: (index - (count - 1) / 2) * width };
}

/**
 * One bar from the base line up. A partial one is an outline with lines in it.
 * @param {string} className
 * @param {number} index of the bucket
 * @param {number} middle
 * @param {number} width
 * @param {number} value
 * @param {boolean | undefined} isPartial
 * @param {Frame} box
 */
function bar(className, index, middle, width, value, isPartial, box) {
  const floor = box.y(0);
  // However small, it is not nothing.
  const tall = value > 0 ? Math.max(1.5, floor - box.y(value)) : 0;
  const left = middle - width / 2;
  const outline = roundedTop(left, floor, width, tall);
  if (!isPartial) return h("path", { class: `bar ${className}`, "data-index": index, d: outline });
  return h(
    "g",
    { "data-index": index },
    h("path", { class: `bar partial ${className}`, d: outline }),
    h("path", { class: `hatch ${className}`, d: hatch(left, floor - tall, width, tall) }),
  );
}

/**
 * The outline of a bar whose upper corners are round.
 * @param {number} left
 * @param {number} floor
 * @param {number} width
 * @param {number} tall
 */
function roundedTop(left, floor, width, tall) {
  const corner = tenth(Math.min(4, width / 3, tall));
  const across = tenth(width - 2 * corner);
  return (
    `M${tenth(left)},${tenth(floor)}v${tenth(corner - tall)}` +
    `q0,${-corner} ${corner},${-corner}h${across}q${corner},0 ${corner},${corner}` +
    `v${tenth(tall - corner)}z`
  );
}

/**
 * Lines from the lower left to the upper right, cut at the edges of a rectangle. An SVG pattern would
 * need an id, which two charts of one page would share, and is a bitmap on paper.
 * @param {number} left
 * @param {number} top
 * @param {number} width
 * @param {number} tall
 */
export function hatch(left, top, width, tall) {
  const gap = 6;
  let path = "";
  // Each line is x + y = reach, measured from the upper left corner of the rectangle.
  for (let reach = gap; reach < width + tall; reach += gap) {
    const from = { x: Math.max(0, reach - tall), y: Math.min(tall, reach) };
    const to = { x: Math.min(width, reach), y: Math.max(0, reach - width) };
    path += `M${tenth(left + from.x)},${tenth(top + from.y)}L${tenth(left + to.x)},${tenth(top + to.y)}`;
  }
  return path;
}
