/**
 * Right now, for administrators: what has happened in the last 60 minutes, as the stream tells it,
 * beside what is usual at this hour, and where people talk. A picture of activity, and no number to
 * keep: events may be missing. Nobody's place is known, and none is invented.
 *
 * @import { Card, Content, View } from "../types.js"
 */

import { heatmap } from "../charts/heatmap.js";
import { MINUTES, minutesUntil } from "../news.js";
import { h } from "../vendor/preact.js";
import { sum } from "./lists.js";
import { rank } from "./rank.js";
import { conversationName, typeName } from "./words.js";

const HOUR_MS = 3_600_000;
const WEEK_MS = 7 * 24 * HOUR_MS;
const WEEKS = 4;
const CONVERSATIONS_ASKED = 50;
const CONVERSATIONS = 5;
/** A conversation of fewer people shows who talks to whom. */
const PEOPLE_MIN = 5;
const CELL_HEIGHT = 18;
const LABEL_MINUTES = [10, 15, 20, 30];

/** @typedef {{ event_type: string, count: number }} Count */

/** @type {Card} */
export const rightNow = {
  kind: "card",
  id: "right_now",
  title: "Right now",
  metrics: ["event_counts", "top_conversations"],
  role: "admin",
  needs: ["events"],
  width: 3,
  asks: ({ generation }) => ({
    busiest: {
      path: "/top-conversations",
      parameters: {
        start: hourBefore(generation.data_through),
        sort_by: "participants",
        limit: String(CONVERSATIONS_ASKED),
      },
    },
    ...Object.fromEntries(
      sameHours(generation).map((end, i) => [
        `usual_${i}`,
        { path: "/events/counts", parameters: { start: hourBefore(end), end } },
      ]),
    ),
  }),
  content: ({ busiest, ...usual }, view) => ({
    ...strip(view),
    body: h(
      "div",
      { key: "beside", class: "beside" },
      beside(Object.values(usual), view),
      conversations(busiest.conversations, view),
    ),
  }),
};

/** An hour before an instant. @param {string} end */
const hourBefore = (end) => new Date(Date.parse(end) - HOUR_MS).toISOString();

/** The same hour of the last weeks, as far as there are data: its ends. @param {View["generation"]} generation */
function sameHours({ data_through, first_day }) {
  const ends = Array.from(
    { length: WEEKS },
    (_, i) => Date.parse(data_through) - (i + 1) * WEEK_MS,
  );
  const first = first_day === null ? Number.POSITIVE_INFINITY : Date.parse(first_day);
  return ends.filter((end) => end - HOUR_MS >= first).map((end) => new Date(end).toISOString());
}

/**
 * Types of events by the last 60 minutes.
 *
 * @param {View} view
 * @returns {Content}
 */
function strip({ live, format }) {
  if (live.minutes === null) return { note: "The feed of events cannot be read at present." };
  const columns = minutesUntil(live.until);
  const counts = new Map(live.minutes.map((one) => [one.minute, one.counts]));
  const types = typesOf(live);
  const values = types.map((type) => columns.map((minute) => counts.get(minute)?.[type] ?? 0));
  const total = sum(values.flat());
  const sentence = `${format.number(total)} events in the last ${MINUTES} minutes, by type and minute.`;
  if (total === 0) return { note: `Nothing has happened in the last ${MINUTES} minutes.` };
  return {
    note: noteOf(live),
    sentence,
    chart: (width) =>
      heatmap({
        width,
        cellHeight: CELL_HEIGHT,
        rows: types,
        columns: columns.map(format.time),
        values,
        strides: LABEL_MINUTES,
        sentence,
      }),
    table: {
      columns: [
        { name: "event_type", title: "event" },
        { name: "minute", title: "minute", format: format.time, is_key: true },
        { name: "count", title: "events", format: format.number },
      ],
      rows: types.flatMap((type, i) => columns.map((minute, j) => [type, minute, values[i][j]])),
      label: (row) => `${types[Math.floor(row / MINUTES)]}, ${format.time(columns[row % MINUTES])}`,
    },
    is_passing: true,
  };
}

/** The types that have happened, in the order of the alphabet, so that rows stay where they are. @param {View["live"]} live */
const typesOf = ({ minutes }) =>
  [...new Set((minutes ?? []).flatMap(({ counts }) => Object.keys(counts)))].sort();

/** @param {View["live"]} live */
function noteOf({ is_connected: isConnected, has_gap: hasGap }) {
  if (!isConnected) return "The connection is lost: these are the last events that were seen.";
  return hasGap ? "Some events came faster than they could be seen." : "As it happens.";
}

/**
 * Each type beside what is usual.
 *
 * @param {{ event_counts: Count[] }[]} usual of the same hour in the last weeks
 * @param {View} view
 */
function beside(usual, { live, format }) {
  const weeks = usual.map(
    ({ event_counts }) => new Map(event_counts.map((one) => [one.event_type, one.count])),
  );
  const known = new Set([...typesOf(live), ...weeks.flatMap((week) => [...week.keys()])]);
  const rows = [...known].map((type) => {
    const now = sum((live.minutes ?? []).map(({ counts }) => counts[type] ?? 0));
    const often = median(weeks.map((week) => week.get(type) ?? 0));
    return {
      key: type,
      name: type,
      ...(often !== null && { detail: `usually ${format.compact(often)}` }),
      amount: live.minutes === null ? "" : format.compact(now),
      value: live.minutes === null ? (often ?? 0) : now,
      often: often ?? 0,
    };
  });
  const shown = rows.filter(({ value, often }) => value + often > 0);
  if (shown.length === 0) return null;
  shown.sort((a, b) => b.value - a.value || (a.name < b.name ? -1 : 1));
  const most = Math.max(...shown.flatMap(({ value, often }) => [value, often]));
  const heading = `Last ${MINUTES} minutes${weeks.length > 0 ? ", and usual at this hour of the week" : ""}`;
  return h("div", { key: "usual" }, h("h3", null, heading), rank(shown, most));
}

/** The middle value. @param {number[]} values */
function median(values) {
  if (values.length === 0) return null;
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * The busiest conversations of the last hour.
 *
 * @param {any[]} found those with the most people
 * @param {View} view
 */
function conversations(found, { change, format, generation }) {
  const shown = found
    .filter((one) => one.participant_count >= PEOPLE_MIN)
    .toSorted((a, b) => b.message_count - a.message_count)
    .slice(0, CONVERSATIONS);
  const until = format.time(generation.data_through);
  return h(
    "div",
    { key: "conversations" },
    h("h3", null, `Busiest conversations in the hour to ${until}`),
    shown.length === 0
      ? h("p", { class: "note" }, `None in which ${PEOPLE_MIN} people or more wrote.`)
      : rank(
          shown.map((one) => ({
            key: one.conversation_id,
            name: conversationName(one),
            detail: `${typeName(one.type)} · ${format.number(one.participant_count)} wrote`,
            amount: format.number(one.message_count),
            value: one.message_count,
            open: () => change({ conversation_id: one.conversation_id, user_id: "" }),
          })),
        ),
  );
}
