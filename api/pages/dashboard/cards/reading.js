/**
 * Which share of the members of each conversation has read its newest message. Direct conversations
 * of others are left out, as in the top conversations.
 *
 * @import { Card } from "../types.js"
 */

import { rank } from "./rank.js";
import { ofNow } from "./spans.js";
import { columnsOf, tableOf } from "./tables.js";
import { conversationName, typeName } from "./words.js";

const CONVERSATIONS = 8;
const CONVERSATIONS_ASKED = "50"; // the most that there is, since no type can be asked for

/**
 * @typedef {object} Conversation
 * @property {string} conversation_id
 * @property {string | null} type
 * @property {string | null} title
 * @property {number} member_count
 * @property {number} read_count
 * @property {number} read_share
 * @property {string} newest_message_at
 */

/** @type {Card} */
export const reading = {
  kind: "card",
  id: "reading",
  title: "Who has read the newest messages",
  metrics: ["read_through"],
  needs: ["read_marks"],
  width: 2,
  asks: (view) => ({
    reading: { path: "/read-through", parameters: { ...ofNow(view), limit: CONVERSATIONS_ASKED } },
  }),
  content: ({ reading }, view) => {
    const { format, role, state, change } = view;
    const hasDirect = role === "member" || state.include_direct === "true";
    /** @type {Conversation[]} */
    const all = reading.conversations;
    const shown = all.filter((one) => hasDirect || one.type !== "direct").slice(0, CONVERSATIONS);
    if (shown.length === 0) return { empty: "Nobody has written yet." };
    return {
      note: "Now, whatever the period. The newest message first.",
      sentence: `${conversationName(shown[0])}: ${format.percent(shown[0].read_share)} have read the newest message.`,
      body: rank(
        shown.map((one) => ({
          key: one.conversation_id,
          name: conversationName(one),
          detail: `${format.number(one.read_count)} of ${format.number(one.member_count)}`,
          amount: format.percent(one.read_share),
          value: one.read_share,
          open: () => change({ conversation_id: one.conversation_id, user_id: "" }),
        })),
        100,
      ),
      table: tableOf(
        shown.map((one) => ({ ...one, title: conversationName(one) })),
        [
          ...columnsOf({ title: "conversation" }),
          ...columnsOf({ type: "type" }, typeName),
          ...columnsOf({ member_count: "members", read_count: "have read it" }, format.number),
          ...columnsOf({ read_share: "share" }, format.percent),
          ...columnsOf({ newest_message_at: "newest message" }, format.instant),
          ...columnsOf({ conversation_id: "id" }),
        ],
      ),
    };
  },
};
