/**
 * Tables whose columns are fields of their rows.
 *
 * @import { Column, Interval, Table, View } from "../types.js"
 */

/**
 * @param {any[]} rows
 * @param {Column[]} columns
 * @param {(row: number) => string} [label]
 * @returns {Table}
 */
export const tableOf = (rows, columns, label) => ({
  columns,
  rows: rows.map((row) => columns.map(({ name }) => row[name])),
  label,
});

/**
 * Columns of one format.
 *
 * @param {Record<string, string>} titles of fields
 * @param {(value: any) => string} [format]
 * @returns {Column[]}
 */
export const columnsOf = (titles, format) =>
  Object.entries(titles).map(([name, title]) => ({ name, title, format }));

/**
 * A table of buckets, which says when each begins and whether the period cuts it.
 *
 * @param {any[]} buckets
 * @param {Interval} interval
 * @param {View} view
 * @param {Column[]} columns
 */
export const tableOverTime = (buckets, interval, { format }, columns) =>
  tableOf(buckets, [
    ...columnsOf({ timestamp: "from" }, (at) => format.bucketLong(at, interval)),
    ...columns,
    ...columnsOf({ is_partial: "whole" }, (isPartial) => (isPartial ? "no" : "yes")),
  ]);
