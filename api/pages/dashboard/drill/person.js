/**
 * What the panel of a person has.
 *
 * @import { Card } from "../types.js"
 */

import { timelineInterval } from "../cards/choices.js";
import { factsOf } from "../cards/facts.js";
import { messagesContent } from "../cards/messages_chart.js";
import { alone } from "../cards/spans.js";
import { columnsOf, tableOf } from "../cards/tables.js";

/** @type {Card} */
const personFacts = {
  kind: "card",
  id: "person_facts",
  title: "In this period",
  metrics: ["user_activity"],
  width: 3,
  asks: (view) => ({
    person: { path: `/user/${encodeURIComponent(view.state.user_id)}`, parameters: alone(view) },
  }),
  content: ({ person }, { format }) => {
    const columns = [
      ...columnsOf(
        {
          messages_sent: "wrote",
          messages_read: "read",
          active_conversations: "conversations",
          avg_messages_per_day: "messages a day",
        },
        format.number,
      ),
      ...columnsOf({ first_message_date: "first message" }, format.day),
      ...columnsOf({ last_activity_date: "last seen active" }, format.instant),
    ];
    // Who read is not known without read receipts.
    const known = columns.filter(({ name }) => name !== "messages_read" || person[name] !== null);
    return {
      sentence: `Wrote ${format.number(person.messages_sent)} messages.`,
      body: factsOf(known, person),
      table: tableOf([person], [...columnsOf({ user_id: "id" }), ...known]),
    };
  },
};

/** @type {Card} */
const personMessages = {
  kind: "card",
  id: "person_messages",
  title: "Messages of this person",
  metrics: ["message_timeline"],
  width: 3,
  choices: (view) => [timelineInterval(view)],
  asks: (view) => ({
    timeline: {
      path: "/timeline",
      parameters: {
        ...view.period,
        interval: view.interval,
        user_id_filter: view.state.user_id,
      },
    },
  }),
  content: ({ timeline }, view) =>
    messagesContent(timeline, view, "This person wrote nothing in this period."),
};

/** @type {Card[]} */
export const PERSON = [personFacts, personMessages];
