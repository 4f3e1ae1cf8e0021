/**
 * People active on a day, in 7 and in 30 days.
 *
 * @import { Ask, Card, View } from "../types.js"
 */

import { timeChart } from "../charts/time.js";
import { chartOf } from "./buckets.js";
import { intervalChoice } from "./choices.js";
import { atLeast, dayInterval } from "./spans.js";
import { columnsOf, tableOverTime } from "./tables.js";

const DAYS_MIN = 7;
const ONE = { daily: "day", weekly: "week", monthly: "month" };
/**
 * Lines that say the same as that of the buckets, or less.
 *
 * @type {Record<keyof typeof ONE, string[]>}
 */
const REPEATED = {
  daily: [],
  weekly: ["active_7_days"],
  monthly: ["active_7_days", "active_30_days"],
};

/**
 * @typedef {object} Bucket
 * @property {string} timestamp
 * @property {number | null} active_people null = the messenger has no read receipts
 * @property {number} writers
 * @property {number | null} active_7_days null = the data do not have so many days yet
 * @property {number | null} active_30_days
 * @property {number | null} stickiness
 * @property {boolean} is_partial
 */

/** @typedef {{ name: "active_people" | "active_7_days" | "active_30_days" | "writers", title: string }} Line */

/**
 * The question, which the tile shares.
 *
 * @param {View} view
 * @returns {Ask}
 */
export const activeTimeline = (view) => ({
  path: "/active-timeline",
  parameters: { ...atLeast(view, DAYS_MIN), interval: dayInterval(view) },
});

/** @type {Card} */
export const activePeopleOverTime = {
  kind: "card",
  id: "active_people_over_time",
  title: "Active people over time",
  metrics: ["active_timeline"],
  width: 2,
  choices: (view) => [intervalChoice(dayInterval(view))],
  asks: (view) => ({ active: activeTimeline(view) }),
  content: ({ active }, view) => {
    const { format } = view;
    const interval = dayInterval(view);
    /** @type {Bucket[]} */
    const buckets = active.active_timeline;
    if (buckets.every((bucket) => !bucket.active_people && bucket.writers === 0)) {
      return { empty: "Nobody was active in this period." };
    }
    const whole = buckets.findLast((bucket) => !bucket.is_partial) ?? buckets[buckets.length - 1];
    const when = format.bucketLong(whole.timestamp, interval);
    const lines = linesOf(buckets, interval).map((line, i) => ({
      ...line,
      className: `series-${i + 1}`,
      label: `${line.title} ${format.number(whole[line.name])}`,
    }));
    const sentence = `${when}: ${lines.map(({ label }) => label).join(", ")}.`;
    return {
      note: noteOf(whole, when, view),
      legend: lines,
      sentence,
      chart: (width) =>
        timeChart({
          ...chartOf(buckets, interval, view),
          width,
          series: lines.map(({ name, className }, i) => ({
            className,
            kind: i === 0 ? "area" : "line",
            values: buckets.map((bucket) => bucket[name]),
          })),
          sentence,
        }),
      table: tableOverTime(buckets, interval, view, [
        ...columnsOf(
          {
            active_people: "active",
            writers: "wrote",
            readers_only: "only read",
            active_7_days: "7 days",
            active_30_days: "30 days",
          },
          format.number,
        ),
        ...columnsOf({ stickiness: "stickiness" }, format.percent),
      ]),
    };
  },
};

/**
 * The people of a bucket, and of as many days as are longer. Of a messenger without read receipts
 * only who wrote is known.
 *
 * @param {Bucket[]} buckets
 * @param {keyof typeof ONE} interval
 * @returns {Line[]}
 */
function linesOf(buckets, interval) {
  /** @type {Line[]} */
  const lines = [
    { name: "active_people", title: ONE[interval] },
    { name: "active_7_days", title: "7 days" },
    { name: "active_30_days", title: "30 days" },
  ];
  const known = lines.filter(
    ({ name }) =>
      !REPEATED[interval].includes(name) && buckets.some((bucket) => bucket[name] !== null),
  );
  return known.length > 0 ? known : [{ name: "writers", title: "wrote" }];
}

/** @param {Bucket} whole @param {string} when @param {View} view */
function noteOf({ active_people: people, stickiness }, when, { format }) {
  if (people === null) return "Who wrote: this messenger does not tell who read.";
  const note = "Who wrote or read.";
  if (stickiness === null) return note;
  return `${note} Stickiness: ${format.percent(stickiness)} of the people of 30 days (${when}).`;
}
