/**
 * The hours of the week as colors: what happens at each of them on average.
 *
 * @import { Content, View } from "../types.js"
 */

import { heatmap } from "../charts/heatmap.js";
import { highest } from "./lists.js";
import { columnsOf, tableOf } from "./tables.js";

const DAYS = [1, 2, 3, 4, 5, 6, 7];
const HOURS = Array.from({ length: 24 }, (_, hour) => hour);
const HOUR_STRIDES = [1, 2, 3, 4, 6];
const STEPS = [1, 2, 3, 4, 5, 6]; // of heat

/** The number of people from whom on the hours of a conversation are shown. */
const PEOPLE_MIN = 5;

/**
 * @typedef {object} Hour
 * @property {number} weekday
 * @property {number} hour
 * @property {number} occurrences
 * @property {number | null} per_occurrence
 */

/**
 * @param {object} given
 * @param {(Hour & Record<string, number | null>)[]} given.hours Monday at 0 to Sunday at 23
 * @param {"messages" | "people"} given.of what is counted
 * @param {boolean} given.is_limited whether conversations of few people are left out
 * @param {View} given.view
 * @returns {Content}
 */
export function weekContent({ hours, of, is_limited: isLimited, view }) {
  const { format, zone } = view;
  const limit = `Only conversations of ${PEOPLE_MIN} people or more are shown by the hour.`;
  const busiest = highest(hours, (hour) => hour.per_occurrence ?? 0);
  if (!busiest.per_occurrence) {
    return {
      empty: isLimited ? `There is nothing to show. ${limit}` : "There is nothing to show.",
    };
  }
  const nameOf = (/** @type {Hour} */ { weekday, hour }) =>
    `${format.weekday(weekday)} ${clock(hour)}`;
  const sentence = `Busiest: ${nameOf(busiest)}, ${format.number(busiest.per_occurrence)} ${of} an hour.`;
  const weeks = Math.max(...hours.map((hour) => hour.occurrences));
  const average = `Average of ${weeks === 1 ? "one week" : `${weeks} weeks`}, ${zone}.`;
  return {
    note: [sentence, average, ...(isLimited ? [limit] : [])].join(" "),
    legend: STEPS.map((step, i) => ({
      className: `heat-${step}`,
      label: i === 0 ? "few" : i === STEPS.length - 1 ? "many" : "",
    })),
    sentence,
    chart: (width) =>
      heatmap({
        width,
        rows: DAYS.map(format.weekday),
        columns: HOURS.map((hour) => clock(hour).slice(0, 2)),
        strides: HOUR_STRIDES,
        values: DAYS.map((day) =>
          HOURS.map((hour) => hours[(day - 1) * HOURS.length + hour].per_occurrence),
        ),
        sentence,
      }),
    table: tableOf(
      hours,
      [
        { name: "weekday", title: "weekday", format: format.weekday },
        { name: "hour", title: "hour", format: clock, is_key: true },
        ...columnsOf(
          { per_occurrence: `${of} an hour`, [of]: `${of} in all`, occurrences: "hours" },
          format.number,
        ),
      ],
      (row) => nameOf(hours[row]),
    ),
  };
}

/** @param {number} hour */
const clock = (hour) => `${String(hour).padStart(2, "0")}:00`;
