/** @import { Card } from "../types.js" */

import { alone } from "./spans.js";
import { writersContent } from "./writers.js";

const PEOPLE = "8";

/** @type {Card} */
export const topPeople = {
  kind: "card",
  id: "top_people",
  title: "Top people",
  metrics: ["top_senders"],
  width: 2,
  asks: (view) => ({
    senders: { path: "/top-senders", parameters: { ...alone(view), limit: PEOPLE } },
  }),
  content: ({ senders }, view) => writersContent(senders.top_senders, view),
};
