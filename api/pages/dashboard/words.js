/**
 * The view in words: for the title, for `role=status`, and for the report on paper.
 *
 * @import { Formats, Model, Shown, State } from "./types.js"
 */

import { formatsOf, questionOf } from "./view.js";

const PERIODS = { 1: "24 hours", 7: "7 days", 30: "30 days", 90: "90 days" };
const COMPARED = { previous: "the period before", year: "the year before" };

/**
 * The period.
 *
 * @param {State} state
 * @param {Pick<Formats, "dates">} format
 */
export function periodInWords({ days, start, end }, { dates }) {
  if (start === "") return PERIODS[/** @type {"30"} */ (days)];
  return end === "" ? `since ${dates(start)}` : dates(start, end);
}

/**
 * What the period is compared with; "" = nothing.
 *
 * @param {State} state
 * @returns {string}
 */
export const comparedInWords = ({ compare }) => COMPARED[/** @type {"year"} */ (compare)] ?? "";

/**
 * What has changed on the page, announced once; "" = nothing.
 *
 * @param {Shown | null} before
 * @param {Shown} shown
 * @param {Formats} format
 */
export function newsOf(before, shown, format) {
  if (!shown.is_complete) return "";
  const { generation, state } = shown;
  if (before === null || !before.is_complete) {
    return `All numbers are there, as of ${format.time(generation.data_through)}.`;
  }
  if (before.generation.generation !== generation.generation) {
    return `New numbers, as of ${format.time(generation.data_through)}.`;
  }
  if (questionOf(before.state) === questionOf(state)) return "";
  const compared = comparedInWords(state);
  const against = compared === "" ? "" : `, compared with ${compared}`;
  return `Shown: ${periodInWords(state, format)}${against}.`;
}

/**
 * The title of the document, which names the view in the browser's history.
 *
 * @param {Model} model
 */
export function titleOf({ session, state, language }) {
  const name = "Messenger analytics";
  if (session === null) return `Sign in · ${name}`;
  return `${periodInWords(state, formatsOf(language, "UTC"))} · ${name}`;
}
