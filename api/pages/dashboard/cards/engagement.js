/** @import { Tile } from "../types.js" */

import { before } from "./compared.js";

/** @type {Tile} */
export const engagement = {
  kind: "tile",
  id: "engagement",
  title: "Engagement",
  metrics: ["engagement"],
  asks: (view) => ({ engagement: { path: "/engagement", parameters: view.period } }),
  value: ({ engagement }, { format }) => ({
    now: engagement.engagement_rate,
    before: before(engagement, (body) => body.engagement_rate),
    text: format.percent,
    good: 1,
    is_rate: true,
  }),
};
