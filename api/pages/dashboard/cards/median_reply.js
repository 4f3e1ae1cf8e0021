/** @import { Tile } from "../types.js" */

import { before } from "./compared.js";

/** @typedef {{ reply_times: { conversation_type: string | null, half_seconds: number | null }[] }} Body */

/** Of all conversations. @param {Body} body */
const half = ({ reply_times: rows }) =>
  rows.find((row) => row.conversation_type === null)?.half_seconds ?? null;

/** @type {Tile} */
export const medianReply = {
  kind: "tile",
  id: "median_reply",
  title: "Median reply",
  metrics: ["reply_times"],
  asks: (view) => ({ replies: { path: "/reply-times", parameters: view.period } }),
  value: ({ replies }, { format }) => ({
    now: half(replies),
    before: before(/** @type {Body} */ (replies), half),
    text: format.duration,
    good: -1,
  }),
};
