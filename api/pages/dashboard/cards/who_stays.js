/**
 * Of the people of each week: who stayed, who came back, who is new, and who left.
 *
 * @import { Card } from "../types.js"
 */

import { flowChart } from "../charts/flow.js";
import { chartOf } from "./buckets.js";
import { intervalChoice } from "./choices.js";
import { atLeast, longInterval } from "./spans.js";
import { columnsOf, tableOverTime } from "./tables.js";

const HEIGHT = 300; // about that of the cohorts beside it
const DAYS_MIN = 84;

/**
 * @typedef {object} Bucket
 * @property {string} timestamp
 * @property {number} active_people
 * @property {number | null} new_people null = it is not known, because the data begin here
 * @property {number | null} stayed_people
 * @property {number | null} returned_people
 * @property {number | null} left_people null also where the bucket is not over
 * @property {boolean} is_partial
 */

/** @type {{ name: "stayed_people" | "returned_people" | "new_people", title: string, className: string }[]} */
const ABOVE = [
  { name: "stayed_people", title: "stayed", className: "series-1" },
  { name: "returned_people", title: "came back", className: "series-2" },
  { name: "new_people", title: "new", className: "series-3" },
];

/** @type {Card} */
export const whoStays = {
  kind: "card",
  id: "who_stays",
  title: "Who stays, who comes back",
  metrics: ["lifecycle"],
  needs: ["read_receipts"],
  width: 2,
  choices: (view) => [intervalChoice(longInterval(view), ["weekly", "monthly"])],
  asks: (view) => ({
    lifecycle: {
      path: "/lifecycle",
      parameters: { ...atLeast(view, DAYS_MIN), interval: longInterval(view) },
    },
  }),
  content: ({ lifecycle }, view) => {
    const { format } = view;
    const interval = longInterval(view);
    const bucketName = interval === "weekly" ? "week" : "month";
    /** @type {Bucket[]} */
    const all = lifecycle.lifecycle;
    const first = all.findIndex((bucket) => bucket.active_people > 0);
    if (first < 0) return { empty: "Nobody was active in this period." };
    const buckets = all.slice(first);
    const last = buckets.findLast((bucket) => bucket.left_people !== null);
    const sentence =
      last === undefined
        ? `The data have not seen a whole ${bucketName} yet.`
        : `${format.bucketLong(last.timestamp, interval)}: ` +
          ABOVE.map(({ name, title }) => `${format.number(last[name])} ${title}`).join(", ") +
          `, ${format.number(last.left_people)} left.`;
    return {
      note: `People by ${bucketName}, compared with the ${bucketName} before. Who left is known when the ${bucketName} is over.`,
      legend: [
        ...ABOVE.map(({ title: label, className }) => ({ label, className })),
        { label: "left", className: "series-lost" },
      ],
      sentence,
      chart: (width) =>
        flowChart({
          ...chartOf(buckets, interval, view),
          height: HEIGHT,
          width,
          above: ABOVE.map(({ name, className }) => ({
            className,
            values: buckets.map((bucket) => bucket[name]),
          })),
          below: [
            { className: "series-lost", values: buckets.map((bucket) => bucket.left_people) },
          ],
          sentence,
        }),
      table: tableOverTime(buckets, interval, view, [
        ...columnsOf({ active_people: "active" }, format.number),
        ...ABOVE.map(({ name, title }) => ({ name, title, format: format.number })),
        ...columnsOf({ left_people: "left" }, format.number),
      ]),
    };
  },
};
