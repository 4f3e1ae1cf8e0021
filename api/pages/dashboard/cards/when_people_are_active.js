/** @import { Card } from "../types.js" */

import { atLeast } from "./spans.js";
import { weekContent } from "./week_chart.js";

const DAYS_MIN = 28; // each weekday four times

/** @type {Card} */
export const whenPeopleAreActive = {
  kind: "card",
  id: "when_people_are_active",
  title: "When people are active",
  metrics: ["people_heatmap"],
  needs: ["read_receipts"],
  width: 2,
  asks: (view) => ({ week: { path: "/people-heatmap", parameters: atLeast(view, DAYS_MIN) } }),
  content: ({ week }, view) =>
    weekContent({ hours: week.heatmap, of: "people", is_limited: view.role === "member", view }),
};
