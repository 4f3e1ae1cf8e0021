/** @import { Tile } from "../types.js" */

import { before } from "./compared.js";

/** @type {Tile} */
export const messages = {
  kind: "tile",
  id: "messages",
  title: "Messages",
  metrics: ["message_stats"],
  asks: (view) => ({
    messages: { path: "/messages", parameters: view.period },
    timeline: { path: "/timeline", parameters: { ...view.period, interval: view.interval } },
  }),
  value: ({ messages, timeline }, { format }) => ({
    now: messages.total_messages,
    before: before(messages, (body) => body.total_messages),
    text: format.number,
    good: 1,
    spark: {
      values: timeline.timeline.map((/** @type {{ count: number }} */ bucket) => bucket.count),
      is_partial: timeline.timeline.at(-1)?.is_partial ?? false,
    },
  }),
};
