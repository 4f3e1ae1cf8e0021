/**
 * Messages over time: of the page, of one person, of one conversation.
 *
 * @import { Content, View } from "../types.js"
 */

import { timeChart } from "../charts/time.js";
import { chartOf } from "./buckets.js";
import { earlier } from "./compared.js";
import { highest, sum } from "./lists.js";
import { columnsOf, tableOverTime } from "./tables.js";

/** @typedef {{ timestamp: string, count: number, is_partial: boolean }} Bucket */

/**
 * Bars, and the earlier period as a dashed line.
 *
 * @param {{ timeline: Bucket[], compared?: { timeline: Bucket[] } | null }} body
 * @param {View} view
 * @param {string} empty the text where all counts are zero
 * @returns {Content}
 */
export function messagesContent({ timeline, compared }, view, empty) {
  const { format, interval } = view;
  const total = sum(timeline.map((bucket) => bucket.count));
  if (total === 0) return { empty };
  const ghost = compared?.timeline;
  const before = ghost && sum(ghost.map((bucket) => bucket.count));
  const rows = timeline.map((bucket, i) => ({
    ...bucket,
    compared_count: ghost?.[i]?.count ?? null,
  }));
  const sentence = sentenceOf(timeline, total, before, view);
  return {
    legend: [
      { className: "series-1", label: `this period: ${format.number(total)}` },
      ...(before === undefined
        ? []
        : [
            {
              className: "series-ghost ghost",
              label: `${earlier(view)}: ${format.number(before)}`,
            },
          ]),
      ...(timeline.some((bucket) => bucket.is_partial)
        ? [{ className: "series-1 partial", label: "hatched: not whole" }]
        : []),
    ],
    sentence,
    chart: (width) =>
      timeChart({
        ...chartOf(timeline, interval, view),
        width,
        series: [
          { className: "series-1", kind: "bar", values: rows.map((row) => row.count) },
          {
            className: "series-ghost",
            kind: "line",
            isGhost: true,
            values: rows.map((row) => row.compared_count),
          },
        ],
        sentence,
      }),
    table: tableOverTime(rows, interval, view, [
      ...columnsOf({ count: "messages" }, format.number),
      ...(ghost === undefined ? [] : columnsOf({ compared_count: earlier(view) }, format.number)),
    ]),
  };
}

/**
 * @param {Bucket[]} timeline
 * @param {number} total
 * @param {number | undefined} before
 * @param {View} view
 */
function sentenceOf(timeline, total, before, { format, interval }) {
  const most = highest(timeline, (bucket) => bucket.count);
  const change =
    before === undefined
      ? ""
      : `, ${format.change(total, before).spoken} from ${format.number(before)}`;
  const when = format.bucketLong(most.timestamp, interval);
  return `${format.number(total)} messages${change}; most, ${format.number(most.count)}: ${when}.`;
}
