/** @import { Card } from "../types.js" */

import { timelineInterval } from "./choices.js";
import { messagesContent } from "./messages_chart.js";
import { NOBODY_WROTE } from "./words.js";

/** @type {Card} */
export const messagesOverTime = {
  kind: "card",
  id: "messages_over_time",
  title: "Messages over time",
  metrics: ["message_timeline"],
  width: 3,
  choices: (view) => [timelineInterval(view)],
  asks: (view) => ({
    timeline: { path: "/timeline", parameters: { ...view.period, interval: view.interval } },
  }),
  content: ({ timeline }, view) => messagesContent(timeline, view, NOBODY_WROTE),
};
