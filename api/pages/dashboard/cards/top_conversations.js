/**
 * The most active conversations, without the direct ones unless they are asked for: a list of who
 * talks to whom is no statistic.
 *
 * @import { Card, Choice, View } from "../types.js"
 */

import { rank } from "./rank.js";
import { alone } from "./spans.js";
import { columnsOf, tableOf } from "./tables.js";
import { conversationName, NOBODY_WROTE, typeName } from "./words.js";

const CONVERSATIONS = 8;
const OPEN_TYPES = ["group", "channel"];

/**
 * @typedef {object} Conversation
 * @property {string} conversation_id
 * @property {string | null} type
 * @property {string | null} title
 * @property {number} message_count
 * @property {number} participant_count who wrote
 * @property {number} messages_per_day
 */

/** @type {Record<string, { label: string, numberOf: (conversation: Conversation) => number }>} */
const RANKINGS = {
  messages: { label: "messages", numberOf: (one) => one.message_count },
  participants: { label: "people", numberOf: (one) => one.participant_count },
  activity: {
    label: "per person",
    numberOf: (one) =>
      one.participant_count === 0 ? 0 : one.message_count / one.participant_count,
  },
};

/** @type {Card} */
export const topConversations = {
  kind: "card",
  id: "top_conversations",
  title: "Top conversations",
  metrics: ["top_conversations"],
  width: 2,
  choices: ({ state }) => [sortChoice(state.sort_by), directChoice(state.include_direct)],
  asks: (view) => {
    const { sort_by, include_direct: isDirect } = view.state;
    const parameters = { ...alone(view), limit: String(CONVERSATIONS), sort_by };
    const types = isDirect === "true" ? [""] : OPEN_TYPES;
    return Object.fromEntries(
      types.map((type) => [
        type || "all",
        { path: "/top-conversations", parameters: { ...parameters, type } },
      ]),
    );
  },
  content: (bodies, view) => {
    const { format, state, change } = view;
    const { numberOf } = RANKINGS[state.sort_by];
    const found = Object.values(bodies).flatMap((body) => body.conversations);
    const shown = merged(found, numberOf, view).slice(0, CONVERSATIONS);
    if (shown.length === 0) return { empty: NOBODY_WROTE };
    return {
      sentence: `${conversationName(shown[0])} is the first: ${format.number(numberOf(shown[0]))} ${RANKINGS[state.sort_by].label}.`,
      body: rank(
        shown.map((one) => ({
          key: one.conversation_id,
          name: conversationName(one),
          detail: `${typeName(one.type)} · ${format.number(one.participant_count)} wrote`,
          amount: format.number(numberOf(one)),
          value: numberOf(one),
          open: () => change({ conversation_id: one.conversation_id, user_id: "" }),
        })),
      ),
      table: tableOf(
        shown.map((one) => ({ ...one, title: conversationName(one) })),
        [
          ...columnsOf({ title: "conversation" }),
          ...columnsOf({ type: "type" }, typeName),
          ...columnsOf(
            {
              message_count: "messages",
              participant_count: "people who wrote",
              messages_per_day: "messages a day",
            },
            format.number,
          ),
          ...columnsOf({ conversation_id: "id" }),
        ],
      ),
    };
  },
};

/**
 * The rankings of several types as one, in the order of the API: as many of each type as are shown
 * of all make it exact.
 *
 * @param {Conversation[]} found
 * @param {(conversation: Conversation) => number} numberOf
 * @param {View} view
 */
function merged(found, numberOf, { generation }) {
  const isInteger = generation.id_types.conversation === "integer";
  const orders = [numberOf, ...Object.values(RANKINGS).map((ranking) => ranking.numberOf)];
  return found.toSorted((a, b) => {
    for (const order of orders) if (order(a) !== order(b)) return order(b) - order(a);
    const [id, other] = [a, b].map(({ conversation_id: one }) => (isInteger ? BigInt(one) : one));
    return id < other ? -1 : 1;
  });
}

/** @param {string} value @returns {Choice} */
const sortChoice = (value) => ({
  label: "Ranked by",
  name: "sort_by",
  value,
  options: Object.entries(RANKINGS).map(([name, { label }]) => ({ value: name, label })),
});

/** @param {string} value @returns {Choice} */
const directChoice = (value) => ({
  label: "Direct conversations",
  name: "include_direct",
  value,
  options: [{ value: "true", label: "direct" }],
});
