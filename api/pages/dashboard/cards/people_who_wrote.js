/** @import { Tile } from "../types.js" */

import { before } from "./compared.js";

/** @type {Tile} */
export const peopleWhoWrote = {
  kind: "tile",
  id: "people_who_wrote",
  title: "Who wrote",
  metrics: ["message_stats"],
  asks: (view) => ({ messages: { path: "/messages", parameters: view.period } }),
  value: ({ messages }, { format }) => ({
    now: messages.unique_senders,
    before: before(messages, (body) => body.unique_senders),
    text: format.number,
    good: 1,
  }),
};
