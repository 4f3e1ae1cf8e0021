/**
 * What the page shows, as the query of its URL: so a link shows the same view, and back and forward
 * work. Names and values are those of the API's parameters where it has them.
 *
 * A state is always usable: a value that cannot be is the default, whatever the URL has. What
 * is default is left out, and `read(write(state))` is the state.
 *
 * @import { State } from "./types.js"
 */

/** @type {Readonly<State>} */
export const DEFAULTS = Object.freeze({
  days: "30",
  start: "",
  end: "",
  compare: "previous",
  tz: "",
  interval: "",
  include_bots: "true",
  sort_by: "messages",
  include_direct: "",
  user_id: "",
  conversation_id: "",
  theme: "",
  dashboard: "",
});

/** @type {(...values: string[]) => (value: string) => boolean} */
const oneOf =
  (...values) =>
  (value) =>
    values.includes(value);

/** An id of the messenger is a text here: JavaScript has no whole number of 19 digits. */
const isId = (/** @type {string} */ value) => value.length <= 512 && !/\p{Cc}/u.test(value);

/** @type {Record<keyof State, (value: string) => boolean>} */
const IS_USABLE = {
  days: oneOf("1", "7", "30", "90", ""),
  start: isDateOrEmpty,
  end: isDateOrEmpty,
  compare: oneOf("previous", "year", ""),
  tz: (value) => /^[\w+\-/]{0,64}$/.test(value),
  interval: oneOf("hourly", "daily", "weekly", "monthly", ""),
  include_bots: oneOf("true", "false"),
  sort_by: oneOf("messages", "participants", "activity"),
  include_direct: oneOf("true", ""),
  user_id: isId,
  conversation_id: isId,
  theme: oneOf("light", "dark", ""),
  dashboard: (value) => /^[\w-]{0,64}$/.test(value),
};

const NAMES = /** @type {(keyof State)[]} */ (Object.keys(DEFAULTS));

/**
 * The state that a query names.
 * @param {string} query of a URL, with or without its question mark
 * @returns {Readonly<State>}
 */
export function read(query) {
  const given = parameters(query);
  const state = { ...DEFAULTS };
  for (const name of NAMES) {
    const value = given.get(name);
    if (value !== undefined && IS_USABLE[name](value)) state[name] = value;
  }
  const isPeriod = state.start !== "" && (state.end === "" || state.start <= state.end);
  if (isPeriod) {
    state.days = "";
  } else {
    state.start = "";
    state.end = "";
    state.days ||= DEFAULTS.days;
  }
  return Object.freeze(state);
}

/**
 * The query that names a state: empty, or with its question mark.
 * @param {Readonly<State>} state
 */
export function write(state) {
  const said = NAMES.filter((name) => state[name] !== DEFAULTS[name] && !isImplied(name, state));
  const pairs = said.map((name) => `${name}=${encoded(state[name])}`);
  return pairs.length ? `?${pairs.join("&")}` : "";
}

/**
 * Whether a value follows from others: a period with a start has no days.
 * @param {keyof State} name
 * @param {Readonly<State>} state
 */
function isImplied(name, state) {
  return name === "days" && state.start !== "";
}

/**
 * The parameters of a query. `URLSearchParams` is a browser's, and this file runs without one.
 * @param {string} query
 * @returns {Map<string, string>} of a name that comes twice the last value
 */
function parameters(query) {
  /** @type {Map<string, string>} */
  const found = new Map();
  for (const pair of query.replace(/^\?/, "").split("&")) {
    const [name, ...rest] = pair.split("=");
    try {
      found.set(name, decodeURIComponent(rest.join("=").replaceAll("+", " ")));
    } catch {
      // A percent sign that encodes nothing: as good as not given.
    }
  }
  return found;
}

/**
 * A value in a query, with what need not be encoded left legible: Europe/Berlin, @ann:example.org.
 * @param {string} value
 */
function encoded(value) {
  return encodeURIComponent(value.toWellFormed()).replace(/%(2F|3A|40)/g, decodeURIComponent);
}

/** @param {string} value */
function isDateOrEmpty(value) {
  if (value === "") return true;
  if (!/^\d{4}-\d\d-\d\d$/.test(value)) return false;
  const at = new Date(`${value}T00:00:00Z`);
  return !Number.isNaN(at.getTime()) && at.toISOString().startsWith(value); // not 31 February
}
