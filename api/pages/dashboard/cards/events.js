/**
 * The events of the messenger over time, for administrators.
 *
 * @import { Card } from "../types.js"
 */

import { timeChart } from "../charts/time.js";
import { chartOf, inBuckets } from "./buckets.js";
import { timelineInterval } from "./choices.js";
import { sum } from "./lists.js";
import { alone } from "./spans.js";
import { tableOverTime } from "./tables.js";

const LINES_MAX = 5;

/** @typedef {{ timestamp: string, event_type: string, count: number, is_partial: boolean }} Row */

/** @type {Card} */
export const events = {
  kind: "card",
  id: "events",
  title: "Events over time",
  metrics: ["event_timeline"],
  role: "admin",
  needs: ["events"],
  width: 2,
  choices: (view) => [timelineInterval(view)],
  asks: (view) => ({
    events: {
      path: "/events/timeline",
      parameters: { ...alone(view), interval: view.interval },
    },
  }),
  content: ({ events }, view) => {
    const { format, interval } = view;
    /** @type {Row[]} */
    const rows = events.event_timeline;
    if (rows.length === 0) return { empty: "Nothing happened in this period." };
    const buckets = inBuckets(rows, (row) => ({ [row.event_type]: row.count }));
    const types = [...new Set(rows.map((row) => row.event_type))]
      .map((name) => ({ name, total: sum(buckets.map((bucket) => bucket[name])) }))
      .toSorted((a, b) => b.total - a.total);
    const lines = types.slice(0, LINES_MAX).map(({ name, total }, i) => ({
      name,
      className: `series-${i + 1}`,
      label: `${name} ${format.number(total)}`,
    }));
    const sentence = `The most frequent: ${lines.map(({ label }) => label).join(", ")}.`;
    return {
      legend: lines,
      sentence,
      chart: (width) =>
        timeChart({
          ...chartOf(buckets, interval, view),
          width,
          series: lines.map(({ name, className }) => ({
            className,
            kind: "line",
            values: buckets.map((bucket) => bucket[name]),
          })),
          sentence,
        }),
      table: tableOverTime(buckets, interval, view, [
        ...types.map(({ name }) => ({ name, title: name, format: format.number })),
      ]),
    };
  },
};
