/** @import { Card } from "../types.js" */

import { durationStep } from "../charts/axis.js";
import { timeChart } from "../charts/time.js";
import { chartOf } from "./buckets.js";
import { timelineInterval } from "./choices.js";
import { alone } from "./spans.js";
import { columnsOf, tableOverTime } from "./tables.js";

/**
 * @typedef {object} Bucket
 * @property {string} timestamp
 * @property {number} replies
 * @property {number | null} half_seconds null = nobody replied
 * @property {number | null} nine_tenths_seconds
 * @property {number | null} answered_in_24_hours_rate null = 24 hours have not passed
 * @property {boolean} is_partial
 */

/** @type {Card} */
export const replyTimesOverTime = {
  kind: "card",
  id: "reply_times_over_time",
  title: "Reply times over time",
  metrics: ["reply_timeline"],
  width: 2,
  choices: (view) => [timelineInterval(view)],
  asks: (view) => ({
    replies: {
      path: "/reply-times/timeline",
      parameters: { ...alone(view), interval: view.interval },
    },
  }),
  content: ({ replies }, view) => {
    const { format, interval } = view;
    /** @type {Bucket[]} */
    const buckets = replies.timeline;
    const known = buckets.filter((bucket) => bucket.half_seconds !== null);
    if (known.length === 0) return { empty: "Nobody replied in this period." };
    const halves = known.map((bucket) => Number(bucket.half_seconds));
    const sentence =
      `Half of the replies came within ${format.duration(Math.min(...halves))} to ` +
      `${format.duration(Math.max(...halves))}.`;
    return {
      note: sentence,
      legend: [{ className: "series-1", label: "half of the replies came within" }],
      sentence,
      chart: (width) =>
        timeChart({
          ...chartOf(buckets, interval, view),
          width,
          series: [
            {
              className: "series-1",
              kind: "area",
              values: buckets.map((bucket) => bucket.half_seconds),
            },
          ],
          format: format.duration,
          stepOf: durationStep,
          sentence,
        }),
      table: tableOverTime(buckets, interval, view, [
        ...columnsOf(
          { half_seconds: "half within", nine_tenths_seconds: "9 of 10 within" },
          format.duration,
        ),
        ...columnsOf({ replies: "replies" }, format.number),
        ...columnsOf({ answered_in_24_hours_rate: "answered in 24 h" }, format.percent),
      ]),
    };
  },
};
