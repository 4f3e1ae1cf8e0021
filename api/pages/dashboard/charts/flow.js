/**
 * What is above and what is below a line: stacked bars up for what is there or has come, bars down
 * for what was lost. Without a series below it is a chart of stacked bars.
 *
 * All numbers are given as they are, positive; the scale shows them so on both sides of the line.
 *
 * @import { Drawing } from "../types.js"
 */

import { h } from "../vendor/preact.js";
import { buckets, frame, picture, tenth } from "./axis.js";

const SEAM = 0.6; // of background between two parts of a stack, pixels

/**
 * @typedef {object} Part One part of every stack.
 * @property {string} className its color: series-1 to series-6, or series-lost
 * @property {(number | null)[]} values one a bucket, at least 0; null is unknown and not drawn
 */

/**
 * A chart of stacks above and below a line.
 * @param {object} given
 * @param {number} given.width pixels
 * @param {number} given.height pixels
 * @param {string[]} given.labels one a bucket
 * @param {Part[]} given.above from the line up
 * @param {Part[]} [given.below] from the line down
 * @param {boolean[]} [given.partial] which buckets the period cuts: drawn faint
 * @param {(value: number) => string} given.format of the ticks
 * @param {string} given.sentence what the chart says
 * @returns {Drawing}
 */
export function flowChart({
  width,
  height,
  labels,
  above,
  below = [],
  partial = [],
  format,
  sentence,
}) {
  const high = Math.max(0, ...labels.map((_, i) => total(above, i)));
  const low = -Math.max(0, ...labels.map((_, i) => total(below, i)));
  const unsigned = (/** @type {number} */ tick) => format(Math.abs(tick));
  const box = frame({ width, height, low, high, format: unsigned, wanted: 5 });
  const { step, middle, labels: named, plot } = buckets(labels, box, width, height);
  const bar = Math.min(36, Math.max(1, step * 0.62));

  const stacks = labels.map((_, i) => {
    const boxes = [...stack(above, i, 1), ...stack(below, i, -1)];
    const rectangles = boxes.map(({ className, from, to }) => {
      // The seam is at the end that is nearer to the line, so the far end is where the number says.
      const [near, far] = [box.y(from), box.y(to)];
      const tall = Math.max(SEAM, Math.abs(far - near) - SEAM);
      return h("rect", {
        class: `bar ${className}${partial[i] ? " faint" : ""}`,
        x: tenth(middle(i) - bar / 2),
        y: tenth(far < near ? far : far - tall),
        width: tenth(bar),
        height: tenth(tall),
      });
    });
    return h("g", { class: "marks", "data-index": i }, rectangles);
  });

  const tree = picture({ width, height, sentence }, box.grid, stacks, named);
  return { tree, plot };
}

/**
 * @param {Part[]} parts
 * @param {number} index of the bucket
 */
function total(parts, index) {
  return parts.reduce((sum, part) => sum + (part.values[index] ?? 0), 0);
}

/**
 * From where to where each part of a stack goes, in values; what is nothing or unknown has no part.
 * @param {Part[]} parts
 * @param {number} index of the bucket
 * @param {1 | -1} sign up or down
 */
function stack(parts, index, sign) {
  let from = 0;
  const boxes = [];
  for (const { className, values } of parts) {
    const value = values[index] ?? 0;
    if (value <= 0) continue;
    boxes.push({ className, from, to: from + sign * value });
    from += sign * value;
  }
  return boxes;
}
