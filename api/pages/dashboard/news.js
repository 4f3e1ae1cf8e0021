/**
 * What the stream says, and what the page knows after it. Pure.
 *
 * @import { Live } from "./types.js"
 */

const MINUTE_MS = 60_000;
export const MINUTES = 60;

/** @typedef {{ name: string, data: any }} News one event of the stream */

/** @type {Live} */
export const NOTHING_HEARD = Object.freeze({
  is_connected: false,
  minutes: null,
  has_gap: false,
  until: "",
});

/**
 * Reads a stream piece by piece: a function from the next text to the events that it completes.
 *
 * @returns {(text: string) => News[]}
 */
export function createReader() {
  let rest = "";
  return (text) => {
    const blocks = (rest + text).split("\n\n");
    rest = blocks.pop() ?? "";
    return blocks.flatMap((block) => {
      const found = /^event: (\w+)\ndata: (.+)$/.exec(block);
      return found === null ? [] : [{ name: found[1], data: JSON.parse(found[2]) }];
    });
  };
}

/**
 * What is known after an event. A second is added to its minute.
 *
 * @param {Live} live
 * @param {News} news
 * @returns {Live}
 */
export function afterNews(live, { name, data }) {
  if (name === "lost")
    return live.is_connected ? Object.freeze({ ...live, is_connected: false }) : live;
  if (name === "activity") {
    return Object.freeze({
      ...live,
      is_connected: true,
      minutes: data.minutes,
      has_gap: data.has_gap,
    });
  }
  if (name !== "feed" || live.minutes === null) {
    return live.is_connected ? live : Object.freeze({ ...live, is_connected: true });
  }
  const minute = `${data.second.slice(0, 16)}:00Z`;
  const counts = { ...live.minutes.find((one) => one.minute === minute)?.counts };
  for (const [kind, count] of Object.entries(data.counts))
    counts[kind] = (counts[kind] ?? 0) + count;
  const others = live.minutes.filter((one) => one.minute !== minute);
  const minutes = [...others, { minute, counts }].sort((a, b) => (a.minute < b.minute ? -1 : 1));
  return Object.freeze({
    ...live,
    is_connected: true,
    minutes,
    has_gap: live.has_gap || data.has_gap,
  });
}

/**
 * The same, with the last 60 minutes up to now.
 *
 * @param {Live} live
 * @param {number} now milliseconds since 1970
 * @returns {Live}
 */
export function atMinute(live, now) {
  if (live.minutes === null) return live;
  const until = minuteAt(now);
  const first = minuteAt(now - (MINUTES - 1) * MINUTE_MS);
  if (live.until === until && live.minutes.every(({ minute }) => minute >= first)) return live;
  return Object.freeze({
    ...live,
    until,
    minutes: live.minutes.filter(({ minute }) => minute >= first),
  });
}

/**
 * The 60 minutes that end with this one, oldest first.
 *
 * @param {string} until
 */
export const minutesUntil = (until) =>
  Array.from({ length: MINUTES }, (_, i) =>
    minuteAt(Date.parse(until) - (MINUTES - 1 - i) * MINUTE_MS),
  );

/** `2026-11-26T12:31:00Z` @param {number} time */
const minuteAt = (time) => `${new Date(time).toISOString().slice(0, 16)}:00Z`;
