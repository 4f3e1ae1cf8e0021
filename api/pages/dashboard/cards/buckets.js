/**
 * What charts over time are given, whatever they show.
 *
 * @import { Interval, View } from "../types.js"
 */

/** @typedef {{ timestamp: string, is_partial: boolean }} Bucket */

/**
 * @param {Bucket[]} buckets
 * @param {Interval} interval
 * @param {View} view
 */
export const chartOf = (buckets, interval, { format }) => ({
  height: 230,
  labels: buckets.map((bucket) => format.bucket(bucket.timestamp, interval)),
  partial: buckets.map((bucket) => bucket.is_partial),
  format: format.compact,
});

/**
 * Rows of several types as one row a bucket.
 *
 * @template {Bucket} Row
 * @param {Row[]} rows
 * @param {(row: Row) => Record<string, number | null>} cellsOf what a row is in its bucket
 * @param {Bucket[]} [frame] the buckets, where some have no row
 * @returns {(Bucket & Record<string, any>)[]}
 */
export function inBuckets(rows, cellsOf, frame = []) {
  const buckets = new Map(
    frame.map(({ timestamp, is_partial }) => [timestamp, { timestamp, is_partial }]),
  );
  for (const row of rows) {
    const { timestamp, is_partial } = row;
    buckets.set(timestamp, { timestamp, is_partial, ...buckets.get(timestamp), ...cellsOf(row) });
  }
  return [...buckets.values()];
}
