/**
 * What the member who looks has not read yet.
 *
 * @import { Card } from "../types.js"
 */

import { sum } from "./lists.js";
import { rank } from "./rank.js";
import { ofNow } from "./spans.js";
import { columnsOf, tableOf } from "./tables.js";
import { conversationName, typeName } from "./words.js";

const CONVERSATIONS = 8;

/**
 * @typedef {object} Conversation
 * @property {string} conversation_id
 * @property {string | null} type
 * @property {string | null} title
 * @property {number} unread_count
 * @property {string | null} first_unread_at
 * @property {string | null} newest_message_at
 */

/** @type {Card} */
export const myUnread = {
  kind: "card",
  id: "my_unread",
  title: "What I have not read",
  metrics: ["unread"],
  role: "member",
  needs: ["read_marks"],
  width: 2,
  asks: (view) => ({
    unread: { path: `/user/${encodeURIComponent(view.subject)}/unread`, parameters: ofNow(view) },
  }),
  content: ({ unread }, view) => {
    const { format, change } = view;
    /** @type {Conversation[]} */
    const found = unread.unread;
    const shown = found
      .filter((one) => one.unread_count > 0)
      .toSorted((a, b) => b.unread_count - a.unread_count);
    if (shown.length === 0) return { empty: "You have read everything." };
    const sentence = `${format.number(sum(shown.map((one) => one.unread_count)))} messages in ${format.number(shown.length)} conversations.`;
    return {
      note: `${sentence} Now, whatever the period.`,
      sentence,
      body: rank(
        shown.slice(0, CONVERSATIONS).map((one) => ({
          key: one.conversation_id,
          name: conversationName(one),
          detail: `since ${format.instant(one.first_unread_at)}`,
          amount: format.number(one.unread_count),
          value: one.unread_count,
          open: () => change({ conversation_id: one.conversation_id, user_id: "" }),
        })),
      ),
      table: tableOf(
        shown.map((one) => ({ ...one, title: conversationName(one) })),
        [
          ...columnsOf({ title: "conversation" }),
          ...columnsOf({ type: "type" }, typeName),
          ...columnsOf({ unread_count: "not read" }, format.number),
          ...columnsOf(
            { first_unread_at: "since", newest_message_at: "newest message" },
            format.instant,
          ),
          ...columnsOf({ conversation_id: "id" }),
        ],
      ),
    };
  },
};
