/** @import { Tile } from "../types.js" */

import { activeTimeline } from "./active_people_over_time.js";
import { before } from "./compared.js";

/** @type {Tile} */
export const activePeople = {
  kind: "tile",
  id: "active_people",
  title: "Active people",
  metrics: ["active_users"],
  needs: ["read_receipts"],
  asks: (view) => ({
    active: { path: "/active-users", parameters: view.period },
    over_time: activeTimeline(view),
  }),
  value: ({ active, over_time: { active_timeline: buckets } }, { format }) => ({
    now: active.active_any,
    before: before(active, (body) => body.active_any),
    text: format.number,
    good: 1,
    spark: {
      values: buckets.map((/** @type {{ active_people: number }} */ one) => one.active_people),
      is_partial: buckets.at(-1)?.is_partial ?? false,
    },
  }),
};
