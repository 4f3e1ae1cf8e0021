/**
 * The view: what the cards are functions of, made from the model.
 *
 * @import { Actions, Card, Formats, Generation, Item, Model, Shown, State, Tile, View } from "./types.js"
 */

import { keyOf } from "./ask.js";
import { formats, usableZone } from "./format.js";
import { intervalOf, lastDays, lengthInDays, localDate, periodOf } from "./period.js";
import { DEFAULTS, write } from "./state.js";

/** What the API answers at most. */
export const PERIOD_DAYS_MAX = 365;

/**
 * The view of what is shown, which may be that of the state before.
 *
 * @param {Model} model
 * @param {Shown} shown
 * @param {Actions} actions
 * @returns {View}
 */
export function viewOf(model, shown, actions) {
  const { session, live, later, kept, draft, language } = model;
  const { state, generation } = shown;
  const zone = zoneOf(state, generation, model.zone);
  return {
    state,
    role: session?.role === "admin" ? "admin" : "member",
    subject: session?.subject ?? "",
    generation,
    zone,
    interval: intervalOf(state, generation.data_through),
    period: periodOf(state, generation.data_through, zone),
    lastDays: (count) => lastDays(count, generation.data_through, zone),
    format: formatsOf(language, zone),
    live,
    later,
    kept,
    draft,
    change: actions.change,
  };
}

/**
 * What the numbers of the page depend on; not what is open beside them, nor the colors.
 *
 * @param {State} state
 */
export const questionOf = (state) =>
  write({ ...state, theme: "", user_id: "", conversation_id: "" });

/**
 * A state that the API can answer in this generation: what it does not know is the default.
 *
 * @param {State} state
 * @param {Generation} generation
 * @param {string} browserZone
 * @returns {State}
 */
export function usableState(state, generation, browserZone) {
  const tz = isZone(state.tz, generation, browserZone) ? state.tz : "";
  const zone = zoneOf({ tz }, generation, browserZone);
  const isPeriod = state.start !== "" && isInData(state, localDate(generation.data_through, zone));
  const period = isPeriod ? {} : { start: "", end: "", days: state.days || DEFAULTS.days };
  const usable = { ...state, tz, ...period };
  return write(usable) === write(state) ? state : Object.freeze(usable);
}

/**
 * The zone of the days and hours that are shown.
 *
 * @param {Pick<State, "tz">} state
 * @param {Generation} generation
 * @param {string} browserZone
 */
export const zoneOf = ({ tz }, generation, browserZone) =>
  [tz, browserZone].find((zone) => isZone(zone, generation, browserZone)) ?? "UTC";

/** Both must know a zone: the API and the browser. @param {string} zone @param {Generation} generation @param {string} browserZone */
const isZone = (zone, { zones }, browserZone) =>
  zones.includes(zone) && (zone === browserZone || usableZone(zone, "") === zone);

/** @param {State} state @param {string} today */
const isInData = (state, today) =>
  state.start <= today && lengthInDays(state, today) <= PERIOD_DAYS_MAX;

/**
 * The view of an item, whose own parameters replace those of the state.
 *
 * @param {View} view
 * @param {Partial<State>} parameters
 * @returns {View}
 */
export function withParameters(view, parameters) {
  if (Object.keys(parameters).length === 0) return view;
  const state = { ...view.state, ...parameters };
  return {
    ...view,
    state,
    interval: intervalOf(state, view.generation.data_through),
    period: periodOf(state, view.generation.data_through, view.zone),
  };
}

/**
 * Whether a viewer of this messenger has a piece: a card without an answer is absent, not empty.
 *
 * @param {Card | Tile} piece
 * @param {View} view
 */
export function isFor(piece, view) {
  const missing = new Set(view.generation.not_available.map((one) => one.table));
  const isForRole = piece.role === undefined || piece.role === view.role;
  return isForRole && !(piece.needs ?? []).some((table) => missing.has(table));
}

/**
 * The keys of all asks of these items.
 *
 * @param {Item[]} items
 * @param {View} view
 * @returns {Set<string>}
 */
export function keysOf(items, view) {
  return new Set(items.flatMap((item) => Object.values(asksOf(item, view)).map(keyOf)));
}

/** @param {Item} item @param {View} view */
export const asksOf = ({ piece, parameters }, view) =>
  piece === null ? {} : piece.asks(withParameters(view, parameters));

/** Making formats takes milliseconds, and the page is drawn often. @type {Map<string, Formats>} */
const made = new Map();

/**
 * Everything that writes for a reader.
 *
 * @param {string} language
 * @param {string} zone
 */
export function formatsOf(language, zone) {
  const key = `${language} ${zone}`;
  const found = made.get(key) ?? formats(language, zone);
  made.set(key, found);
  return found;
}
