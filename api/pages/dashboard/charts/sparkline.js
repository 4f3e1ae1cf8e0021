/**
 * A line in a tile: the shape of a number's way here, without scale and labels. It says nothing that
 * the tile does not, so assistive technology skips it.
 *
 * @import { VNode } from "preact"
 */

import { h } from "../vendor/preact.js";
import { line } from "./line.js";

const INSET = 3; // room for the line's own width, pixels

/**
 * A sparkline, which its style sheet stretches to the tile's width.
 * @param {object} given
 * @param {number} given.width pixels
 * @param {number} given.height pixels
 * @param {(number | null)[]} given.values null is unknown: a gap
 * @param {boolean} [given.isPartial] whether the last bucket is not over: the way to it is dashed
 * @returns {VNode}
 */
export function sparkline({ width, height, values, isPartial = false }) {
  const highest = Math.max(0, ...values.map(Number)) || 1;
  const step = (width - 2 * INSET) / Math.max(1, values.length - 1);
  const x = (/** @type {number} */ i) => INSET + step * i;
  const y = (/** @type {number} */ value) =>
    height - INSET - (height - 2 * INSET) * (value / highest);
  const partial = values.map((_, i) => isPartial && i === values.length - 1);
  return h(
    "svg",
    {
      class: "sparkline",
      width,
      height,
      viewBox: `0 0 ${width} ${height}`,
      preserveAspectRatio: "none",
      "aria-hidden": "true",
    },
    line({ className: "series-1", kind: "area", values }, partial, x, y),
  );
}
