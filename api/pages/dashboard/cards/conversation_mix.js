/**
 * How much is written in direct conversations, groups and channels over time.
 *
 * @import { Card } from "../types.js"
 */

import { flowChart } from "../charts/flow.js";
import { chartOf, inBuckets } from "./buckets.js";
import { timelineInterval } from "./choices.js";
import { sum } from "./lists.js";
import { alone } from "./spans.js";
import { tableOverTime } from "./tables.js";
import { NOBODY_WROTE, typeName } from "./words.js";

/** @typedef {"messages" | "people" | "reads"} Field */
/**
 * @typedef {{ timestamp: string, is_partial: boolean, conversation_type: string | null }
 *   & Record<Field, number | null>} Row reads and people: null without read receipts
 */

const FIELDS = /** @type {Field[]} */ (["messages", "people", "reads"]);

/** @type {Card} */
export const conversationMix = {
  kind: "card",
  id: "conversation_mix",
  title: "Where people write",
  metrics: ["conversation_mix"],
  width: 2,
  choices: (view) => [timelineInterval(view)],
  asks: (view) => ({
    // A bucket in which nothing happens has no row in the mix.
    timeline: { path: "/timeline", parameters: { ...view.period, interval: view.interval } },
    mix: {
      path: "/conversation-mix",
      parameters: { ...alone(view), interval: view.interval },
    },
  }),
  content: ({ mix, timeline }, view) => {
    const { format, interval } = view;
    /** @type {Row[]} */
    const rows = mix.conversation_mix;
    const total = sum(rows.map((row) => row.messages));
    if (total === 0) return { empty: NOBODY_WROTE };
    const types = [...new Set(rows.map((row) => row.conversation_type))].map((type, i) => {
      const own = rows.filter((row) => row.conversation_type === type);
      const share = (100 * sum(own.map((row) => row.messages))) / total;
      const name = typeName(type);
      return { name, className: `series-${i + 1}`, label: `${name} ${format.percent(share)}` };
    });
    const known = FIELDS.filter((field) => rows.some((row) => row[field] !== null));
    const buckets = inBuckets(
      rows,
      (row) =>
        Object.fromEntries(
          known.map((field) => [`${typeName(row.conversation_type)}_${field}`, row[field]]),
        ),
      timeline.timeline,
    );
    const sentence = `Messages: ${types.map(({ label }) => label).join(", ")}.`;
    return {
      legend: types,
      sentence,
      chart: (width) =>
        flowChart({
          ...chartOf(buckets, interval, view),
          width,
          above: types.map(({ className, name }) => ({
            className,
            values: buckets.map((bucket) => bucket[`${name}_messages`] ?? 0),
          })),
          sentence,
        }),
      table: tableOverTime(buckets, interval, view, [
        ...types.flatMap(({ name }) =>
          known.map((field) => ({
            name: `${name}_${field}`,
            title: `${name}, ${field}`,
            format: (/** @type {number | undefined} */ value) => format.number(value ?? 0),
          })),
        ),
      ]),
    };
  },
};
