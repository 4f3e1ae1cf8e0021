/**
 * What the panel of a conversation has.
 *
 * @import { Card, Parameters, View } from "../types.js"
 */

import { timelineInterval } from "../cards/choices.js";
import { factsOf } from "../cards/facts.js";
import { messagesContent } from "../cards/messages_chart.js";
import { repliesContent } from "../cards/replies.js";
import { alone, atLeast, ofNow } from "../cards/spans.js";
import { columnsOf, tableOf } from "../cards/tables.js";
import { weekContent } from "../cards/week_chart.js";
import { typeName } from "../cards/words.js";
import { writersContent } from "../cards/writers.js";
import { matrixContent } from "./matrix.js";

const WRITERS = "8";
const WEEK_DAYS_MIN = 28; // each weekday four times

/** @param {View} view @param {string} [rest] */
const pathOf = ({ state }, rest = "") =>
  `/conversation/${encodeURIComponent(state.conversation_id)}${rest}`;

/** What is asked about the open conversation. @param {View} view @param {Parameters} parameters */
const here = ({ state }, parameters) => ({
  ...parameters,
  conversation_id: state.conversation_id,
});

/** @type {Card} */
const conversationFacts = {
  kind: "card",
  id: "conversation_facts",
  title: "Since it began",
  metrics: ["conversation_stats"],
  width: 3,
  asks: (view) => ({ conversation: { path: pathOf(view), parameters: ofNow(view) } }),
  content: ({ conversation }, { format }) => {
    const columns = [
      ...columnsOf({ type: "type" }, typeName),
      ...columnsOf(
        {
          participant_count: "people",
          active_participants: "ever wrote",
          message_count: "messages",
          messages_per_day: "messages a day",
        },
        format.number,
      ),
      ...columnsOf({ created_at: "since" }, format.day),
      ...columnsOf({ last_message_date: "last message" }, format.instant),
    ];
    return {
      sentence: `${format.number(conversation.participant_count)} people, ${format.number(conversation.message_count)} messages.`,
      body: factsOf(columns, conversation),
      table: tableOf([conversation], [...columnsOf({ conversation_id: "id" }), ...columns]),
    };
  },
};

/** @type {Card} */
const conversationMessages = {
  kind: "card",
  id: "conversation_messages",
  title: "Messages here",
  metrics: ["message_timeline"],
  width: 3,
  choices: (view) => [timelineInterval(view)],
  asks: (view) => ({
    timeline: {
      path: "/timeline",
      parameters: here(view, { ...view.period, interval: view.interval }),
    },
  }),
  content: ({ timeline }, view) =>
    messagesContent(timeline, view, "Nobody wrote here in this period."),
};

/** @type {Card} */
const conversationWriters = {
  kind: "card",
  id: "conversation_writers",
  title: "Who writes here",
  metrics: ["top_senders"],
  width: 3,
  asks: (view) => ({
    senders: { path: "/top-senders", parameters: here(view, { ...alone(view), limit: WRITERS }) },
  }),
  content: ({ senders }, view) => writersContent(senders.top_senders, view),
};

/** @type {Card} */
const conversationReplies = {
  kind: "card",
  id: "conversation_replies",
  title: "Replies and reads here",
  metrics: ["reply_times", "read_rate"],
  width: 3,
  asks: (view) => ({
    replies: { path: "/reply-times", parameters: here(view, alone(view)) },
    reads: { path: "/read-rate", parameters: here(view, alone(view)) },
  }),
  content: ({ replies, reads }, view) =>
    // The second row is that of its type: the same numbers again.
    repliesContent(
      {
        replies: { reply_times: replies.reply_times.slice(0, 1) },
        reads: { read_rates: reads.read_rates.slice(0, 1) },
      },
      view,
    ),
};

/** @type {Card} */
const conversationMatrix = {
  kind: "card",
  id: "conversation_matrix",
  title: "Who answers whom",
  metrics: ["response_matrix"],
  width: 3,
  asks: (view) => ({
    matrix: { path: pathOf(view, "/response-matrix"), parameters: alone(view) },
  }),
  content: ({ matrix }, view) => matrixContent(matrix.responses, view),
};

/** @type {Card} */
const conversationWeek = {
  kind: "card",
  id: "conversation_week",
  title: "When people write here",
  metrics: ["message_heatmap"],
  width: 3,
  asks: (view) => ({
    week: { path: "/message-heatmap", parameters: here(view, atLeast(view, WEEK_DAYS_MIN)) },
  }),
  content: ({ week }, view) =>
    weekContent({ hours: week.heatmap, of: "messages", is_limited: view.role === "member", view }),
};

/** @type {Card[]} */
export const CONVERSATION = [
  conversationFacts,
  conversationMessages,
  conversationWriters,
  conversationReplies,
  conversationMatrix,
  conversationWeek,
];
