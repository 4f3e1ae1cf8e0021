/**
 * Who wrote the most, on the page and in one conversation.
 *
 * @import { Content, View } from "../types.js"
 */

import { rank } from "./rank.js";
import { columnsOf, tableOf } from "./tables.js";
import { NOBODY_WROTE, personName } from "./words.js";

/** @typedef {{ user_id: string, username: string | null, message_count: number }} Writer */

/**
 * @param {Writer[]} writers the most messages first
 * @param {View} view
 * @returns {Content}
 */
export function writersContent(writers, view) {
  const { format, change } = view;
  if (writers.length === 0) return { empty: NOBODY_WROTE };
  const [first] = writers;
  return {
    sentence: `${personName(first.username)} wrote the most: ${format.number(first.message_count)} messages.`,
    body: rank(
      writers.map(({ user_id, username, message_count: count }) => ({
        key: user_id,
        name: personName(username),
        detail: username === null ? `#${user_id}` : undefined,
        amount: format.number(count),
        value: count,
        open: () => change({ user_id, conversation_id: "" }),
      })),
    ),
    table: tableOf(writers, [
      ...columnsOf({ username: "person" }, personName),
      ...columnsOf({ message_count: "messages" }, format.number),
      ...columnsOf({ user_id: "id" }),
    ]),
  };
}
