/**
 * How fast people reply, and which share of messages is answered and read: of all conversations by
 * their types, or of one.
 *
 * @import { Content, Table, View } from "../types.js"
 */

import { tableTree } from "../table.js";
import { columnsOf, tableOf } from "./tables.js";
import { typeName } from "./words.js";

const NO_REPLIES = {
  replies: 0,
  half_seconds: null,
  nine_tenths_seconds: null,
  answered_in_1_hour_rate: null,
  answered_in_24_hours_rate: null,
  read_rate: null,
};

/**
 * @typedef {object} Replies
 * @property {string | null} conversation_type null = all, the first row
 * @property {number} replies
 * @property {number | null} half_seconds
 * @property {number | null} nine_tenths_seconds
 * @property {number | null} answered_in_1_hour_rate
 * @property {number | null} answered_in_24_hours_rate
 */

/**
 * @typedef {object} Reads
 * @property {string | null} conversation_type
 * @property {number} judged_messages
 * @property {number | null} read_rate null = not known, or nothing can be judged yet
 * @property {number | null} median_seconds
 */

/**
 * @param {{ replies: { reply_times: Replies[] }, reads: { read_rates: Reads[] } }} bodies
 * @param {View} view
 * @returns {Content}
 */
export function repliesContent({ replies, reads }, view) {
  const sentence = sentenceOf(replies.reply_times[0], reads.read_rates[0], view);
  const table = tableOfTypes(replies.reply_times, reads.read_rates, view);
  return {
    note: sentence,
    sentence,
    body: tableTree("Replies and reads by type of conversation", narrow(table)),
    table,
  };
}

/** What has room in half of a page. @param {Table} table @returns {Table} */
function narrow({ columns, rows }) {
  const isShown = columns.map(({ name }) => name !== "answered_in_1_hour_rate");
  return {
    columns: columns.filter((_, i) => isShown[i]),
    rows: rows.map((row) => row.filter((_, i) => isShown[i])),
  };
}

/** @param {Replies} all @param {Reads} read @param {View} view */
function sentenceOf(all, read, { format }) {
  const { judged_messages: judged, read_rate: rate, median_seconds: median } = read;
  const replied =
    all.replies === 0
      ? "Nobody replied in this period."
      : `Half of ${format.number(all.replies)} replies came within ${format.duration(all.half_seconds)}.`;
  if (rate === null || judged === 0) return replied;
  const when = median === null ? "" : `, half of these within ${format.duration(median)}`;
  return `${replied} ${format.percent(rate)} of the messages were read by somebody else within 24 hours${when}.`;
}

/** @param {Replies[]} replies @param {Reads[]} reads @param {View} view @returns {Table} */
function tableOfTypes(replies, reads, { format }) {
  const types = new Set([...replies, ...reads].map((row) => row.conversation_type));
  const hasReads = reads[0].read_rate !== null;
  const rows = [...types].map((type) => ({
    ...NO_REPLIES,
    ...reads.find((row) => row.conversation_type === type),
    ...replies.find((row) => row.conversation_type === type),
    conversation_type: type,
  }));
  return tableOf(rows, [
    {
      name: "conversation_type",
      title: "where",
      format: (type) => (type === null ? "everywhere" : typeName(type)),
    },
    ...columnsOf({ replies: "replies" }, format.number),
    ...columnsOf({ half_seconds: "half in", nine_tenths_seconds: "9 of 10 in" }, format.duration),
    ...columnsOf(
      {
        answered_in_1_hour_rate: "answered in 1 h",
        answered_in_24_hours_rate: "answered in 24 h",
        ...(hasReads && { read_rate: "read in 24 h" }),
      },
      format.percent,
    ),
  ]);
}
