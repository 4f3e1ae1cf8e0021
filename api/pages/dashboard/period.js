/**
 * Which parameters of the API a state means.
 *
 * *Last 7 days* are today so far and the six local days before it, so every bar but the last is a
 * whole day. *Last 24 hours* are hours. The data and the zone decide which day is today, not the clock
 * of the browser: a page of data from before midnight shows the day before. The API computes the
 * earlier period (`compare`).
 *
 * @import { Interval, Parameters, State } from "./types.js"
 */

import { DEFAULTS } from "./state.js";

const DAY = 86_400_000; // milliseconds

/**
 * The parameters of a state's period, those with their default left out.
 * @param {Readonly<State>} state
 * @param {string} dataThrough instant up to which there are data
 * @param {string} zone IANA name
 * @returns {Parameters} days or start, perhaps end, compare and include_bots; tz
 */
export function periodOf(state, dataThrough, zone) {
  /** @type {Parameters} */
  const parameters = { ...windowOf(state, dataThrough, zone), tz: zone };
  if (state.compare !== "") parameters.compare = state.compare;
  if (state.include_bots !== DEFAULTS.include_bots) parameters.include_bots = state.include_bots;
  return parameters;
}

/**
 * @param {Readonly<State>} state
 * @param {string} dataThrough
 * @param {string} zone
 * @returns {Parameters}
 */
function windowOf(state, dataThrough, zone) {
  if (state.start !== "") {
    return state.end === "" ? { start: state.start } : { start: state.start, end: state.end };
  }
  return state.days === "1" ? { days: "1" } : lastDays(Number(state.days), dataThrough, zone);
}

/**
 * The last local days, today so far among them.
 * @param {number} count
 * @param {string} dataThrough instant up to which there are data
 * @param {string} zone IANA name
 */
export function lastDays(count, dataThrough, zone) {
  return { start: shifted(localDate(dataThrough, zone), 1 - count) };
}

/**
 * The date that a calendar in a zone shows at an instant.
 * @param {string} instant
 * @param {string} zone IANA name
 * @returns {string} as in 2026-11-03
 */
export function localDate(instant, zone) {
  const parts = calendarOf(zone).formatToParts(new Date(instant));
  const part = (/** @type {string} */ type) => parts.find((one) => one.type === type)?.value;
  return `${part("year")}-${part("month")}-${part("day")}`;
}

/** Making one takes milliseconds. @type {Map<string, Intl.DateTimeFormat>} */
const calendars = new Map();

/** @param {string} zone IANA name */
function calendarOf(zone) {
  let calendar = calendars.get(zone);
  if (calendar === undefined) {
    calendar = new Intl.DateTimeFormat("en", {
      timeZone: zone,
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
    });
    calendars.set(zone, calendar);
  }
  return calendar;
}

/**
 * The date so many days later. Dates have no hours, so no change of a clock matters.
 * @param {string} date
 * @param {number} days may be negative
 */
export function shifted(date, days) {
  return new Date(Date.parse(`${date}T00:00:00Z`) + days * DAY).toISOString().slice(0, 10);
}

/**
 * The length of a timeline's buckets: what was chosen, or what leaves some 24 to 90 of them.
 * @param {Readonly<State>} state
 * @param {string} [dataThrough] end of a period that has a start alone
 * @returns {Interval}
 */
export function intervalOf(state, dataThrough = "") {
  if (state.interval !== "") return /** @type {Interval} */ (state.interval);
  const days = lengthInDays(state, dataThrough);
  if (days <= 2) return "hourly";
  if (days <= 92) return "daily";
  return days <= 370 ? "weekly" : "monthly";
}

/**
 * How many days a state's period has, about: for layout, not for a question.
 * @param {Pick<State, "days" | "start" | "end">} state
 * @param {string} [dataThrough] end of a period that has a start alone
 */
export function lengthInDays(state, dataThrough = "") {
  if (state.start === "") return Number(state.days);
  const end = state.end || dataThrough.slice(0, 10) || state.start;
  return Math.max(1, 1 + Math.round((Date.parse(end) - Date.parse(state.start)) / DAY));
}
