/** @import { Card } from "../types.js" */

import { rank } from "./rank.js";
import { alone } from "./spans.js";
import { columnsOf, tableOf } from "./tables.js";

/** @type {Card} */
export const eventCounts = {
  kind: "card",
  id: "event_counts",
  title: "Events",
  metrics: ["event_counts"],
  role: "admin",
  needs: ["events"],
  width: 2,
  asks: (view) => ({ events: { path: "/events/counts", parameters: alone(view) } }),
  content: ({ events }, { format }) => {
    /** @type {{ event_type: string, count: number }[]} */
    const types = events.event_counts;
    if (types.length === 0) return { empty: "Nothing happened in this period." };
    return {
      sentence: `The most frequent event is ${types[0].event_type}: ${format.number(types[0].count)}.`,
      body: rank(
        types.map(({ event_type: name, count }) => ({
          key: name,
          name,
          amount: format.number(count),
          value: count,
        })),
      ),
      table: tableOf(types, [
        ...columnsOf({ event_type: "event" }),
        ...columnsOf({ count: "events" }, format.number),
      ]),
    };
  },
};
