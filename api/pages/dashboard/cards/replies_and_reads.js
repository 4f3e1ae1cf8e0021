/** @import { Card } from "../types.js" */

import { repliesContent } from "./replies.js";
import { alone } from "./spans.js";

/** @type {Card} */
export const repliesAndReads = {
  kind: "card",
  id: "replies_and_reads",
  title: "Replies and reads",
  metrics: ["reply_times", "read_rate"],
  width: 2,
  asks: (view) => ({
    replies: { path: "/reply-times", parameters: view.period },
    reads: { path: "/read-rate", parameters: alone(view) },
  }),
  content: (bodies, view) =>
    repliesContent(/** @type {Parameters<typeof repliesContent>[0]} */ (bodies), view),
};
