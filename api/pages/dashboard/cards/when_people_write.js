/** @import { Card } from "../types.js" */

import { atLeast } from "./spans.js";
import { weekContent } from "./week_chart.js";

const DAYS_MIN = 28; // each weekday four times

/** @type {Card} */
export const whenPeopleWrite = {
  kind: "card",
  id: "when_people_write",
  title: "When people write",
  metrics: ["message_heatmap"],
  width: 2,
  asks: (view) => ({ week: { path: "/message-heatmap", parameters: atLeast(view, DAYS_MIN) } }),
  content: ({ week }, view) =>
    weekContent({ hours: week.heatmap, of: "messages", is_limited: view.role === "member", view }),
};
