/**
 * A line over buckets: where it is whole, where it is dashed because a bucket is not over, and where
 * it has a gap because nobody knows.
 *
 * @import { VNode } from "preact"
 */

import { h } from "../vendor/preact.js";
import { tenth } from "./axis.js";

/** @typedef {[number, number]} Point */

/**
 * The marks of a line, or of an area, which is a line with the space below it tinted.
 * @param {object} series
 * @param {string} series.className its color
 * @param {(number | null)[]} series.values
 * @param {"line" | "area" | "bar"} series.kind
 * @param {boolean} [series.isGhost] whether it is the earlier period: dashed, and all of it is over
 * @param {boolean[]} partial which buckets are not over
 * @param {(index: number) => number} x where a bucket is
 * @param {(value: number) => number} y where a value is
 * @returns {VNode<any>[]}
 */
export function line({ className, values, kind, isGhost = false }, partial, x, y) {
  const { whole, open, dots } = pieces(values, isGhost ? [] : partial);
  const points = (/** @type {number[]} */ part) =>
    part.map((i) => /** @type {Point} */ ([tenth(x(i)), tenth(y(Number(values[i])))]));
  const lines = (/** @type {number[][]} */ parts, /** @type {string} */ name) =>
    parts.map((part) => h("path", { class: `${name} ${className}`, d: polyline(points(part)) }));
  const areas = kind === "area" ? whole : [];
  return [
    ...areas.map((part) =>
      h("path", { class: `area ${className}`, d: area(points(part), tenth(y(0))) }),
    ),
    ...(isGhost ? lines(whole, "halo") : []),
    ...lines(whole, isGhost ? "line ghost" : "line"),
    ...lines(open, "line open"),
    ...points(dots).map(([cx, cy]) => h("circle", { class: `dot ${className}`, cx, cy, r: 3 })),
  ];
}

/**
 * What a line consists of, as indices of its values.
 * @param {(number | null)[]} values
 * @param {boolean[]} partial
 * @returns {{ whole: number[][], open: number[][], dots: number[] }} whole: runs of two or more whole
 *   buckets; open: pairs with a partial one among them; dots: partial ones, and ones without neighbors
 */
export function pieces(values, partial) {
  const isKnownAt = (/** @type {number} */ i) => (values[i] ?? null) !== null;
  /** @type {number[][]} */
  const whole = [];
  const open = [];
  const dots = [];
  for (let i = 0; i < values.length; i++) {
    if (!isKnownAt(i)) continue;
    const isAlone = !isKnownAt(i - 1) && !isKnownAt(i + 1);
    if (partial[i] || isAlone) dots.push(i);
    if (!isKnownAt(i + 1)) continue;
    const last = whole.at(-1);
    if (partial[i] || partial[i + 1]) open.push([i, i + 1]);
    else if (last?.at(-1) === i) last.push(i + 1);
    else whole.push([i, i + 1]);
  }
  return { whole, open, dots };
}

/** @param {Point[]} points */
function polyline(points) {
  return `M${points.map((point) => point.join(",")).join("L")}`;
}

/**
 * @param {Point[]} points
 * @param {number} floor
 */
function area(points, floor) {
  return `${polyline(points)}V${floor}H${points[0][0]}z`;
}
