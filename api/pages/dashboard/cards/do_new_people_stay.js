/**
 * Of the people who came in a week, how many are active in the weeks after it.
 *
 * @import { Card, Table, View } from "../types.js"
 */

import { h } from "../vendor/preact.js";
import { intervalChoice } from "./choices.js";
import { atLeast, longInterval } from "./spans.js";

const DAYS_MIN = 63;
const STEPS = 6;
const NUMBERS_MAX = 8; // columns that have room beside each other; the table has all

/**
 * @typedef {object} Cell
 * @property {"cohort" | "others" | "average"} row_type
 * @property {string | null} cohort
 * @property {number} cohort_size
 * @property {number} bucket_number
 * @property {number} retention_rate
 * @property {boolean} is_partial
 */

/** @typedef {{ name: string, size: number, cells: (Cell | undefined)[] }} Cohort */

/** @type {Card} */
export const doNewPeopleStay = {
  kind: "card",
  id: "do_new_people_stay",
  title: "Do new people stay?",
  metrics: ["retention"],
  needs: ["read_receipts"],
  width: 2,
  choices: (view) => [intervalChoice(longInterval(view), ["weekly", "monthly"])],
  asks: (view) => ({
    retention: {
      path: "/retention",
      parameters: { ...atLeast(view, DAYS_MIN), interval: longInterval(view) },
    },
  }),
  content: ({ retention }, view) => {
    const { format } = view;
    const bucketName = longInterval(view) === "weekly" ? "week" : "month";
    const cohorts = cohortsOf(retention.retention);
    if (cohorts.length === 0) return { empty: "Nobody came for the first time in this period." };
    const average = cohorts.find((cohort) => cohort.name === "average");
    const next = average?.cells[1];
    const sentence =
      next === undefined
        ? `No ${bucketName} after the first one is over yet.`
        : `On average ${format.percent(next.retention_rate)} are active in the ${bucketName} after their first.`;
    return {
      note: `${sentence} Dashed: the ${bucketName} is not over.`,
      sentence,
      body: cohortsTree(cohorts, bucketName, view),
      table: tableOfCohorts(cohorts, bucketName, view),
    };
  },
};

/**
 * The rows of the table, in the order of the answer.
 *
 * @param {Cell[]} cells
 * @returns {Cohort[]}
 */
function cohortsOf(cells) {
  /** @type {Map<string, Cohort>} */
  const cohorts = new Map();
  for (const cell of cells) {
    const name = cell.cohort ?? cell.row_type;
    const cohort = cohorts.get(name) ?? { name, size: cell.cohort_size, cells: [] };
    cohort.cells[cell.bucket_number] = cell;
    cohorts.set(name, cohort);
  }
  return [...cohorts.values()];
}

/** @param {Cohort[]} cohorts */
const numbersOf = (cohorts) => {
  const count = Math.max(...cohorts.map((cohort) => cohort.cells.length));
  return Array.from({ length: count }, (_, number) => number);
};

/** @param {string} name @param {View} view */
const nameOf = (name, view) =>
  ({ average: "average", others: "fewer than five" })[name] ??
  view.format.bucket(name, longInterval(view));

/** @param {Cohort[]} cohorts @param {string} bucketName @param {View} view @returns {Table} */
function tableOfCohorts(cohorts, bucketName, view) {
  const { format } = view;
  const numbers = numbersOf(cohorts);
  const signed = (/** @type {number | null} */ number) => (number === null ? "–" : `+${number}`);
  return {
    columns: [
      { name: "cohort", title: `first ${bucketName}`, format: (name) => nameOf(name, view) },
      { name: "cohort_size", title: "people", format: format.number },
      ...numbers.map((number) => ({
        name: `retention_rate_${number}`,
        title: signed(number),
        format: format.percent,
      })),
      { name: "first_partial_bucket", title: "not over from", format: signed },
    ],
    rows: cohorts.map(({ name, size, cells }) => [
      name,
      size,
      ...numbers.map((number) => cells[number]?.retention_rate ?? null),
      cells.find((cell) => cell?.is_partial)?.bucket_number ?? null,
    ]),
  };
}

/** The table with colored cells. @param {Cohort[]} cohorts @param {string} bucketName @param {View} view */
const cohortsTree = (cohorts, bucketName, view) =>
  h(
    "div",
    {
      key: "cohorts",
      class: "scroll",
      tabIndex: 0,
      role: "region",
      "aria-label": `New people by ${bucketName}`,
    },
    h(
      "table",
      { class: "cells" },
      h("caption", { class: "hidden" }, `Percent of new people who are active by ${bucketName}`),
      h(
        "thead",
        null,
        h(
          "tr",
          null,
          [
            `first ${bucketName}`,
            "people",
            ...numbersOf(cohorts)
              .slice(0, NUMBERS_MAX)
              .map((number) => `+${number}`),
          ].map((title) => h("th", { key: title, scope: "col" }, title)),
        ),
      ),
      h(
        "tbody",
        null,
        cohorts.map(({ name, size, cells }) =>
          h(
            "tr",
            { key: name, class: name === "average" ? "total" : undefined },
            h("th", { scope: "row" }, nameOf(name, view)),
            h("td", null, view.format.number(size)),
            Array.from(cells.slice(0, NUMBERS_MAX), (cell, number) => cellTree(cell, number, view)),
          ),
        ),
      ),
    ),
  );

/** @param {Cell | undefined} cell @param {number} number @param {View} view */
const cellTree = (cell, number, { format }) =>
  cell === undefined
    ? h("td", { key: number })
    : h(
        "td",
        {
          key: number,
          class: `heat-${stepOf(cell.retention_rate)}${cell.is_partial ? " partial" : ""}`,
        },
        format.percent(cell.retention_rate, 0),
      );

/** The colors are shares of everybody, and not ranks. @param {number} rate percent */
const stepOf = (rate) => (rate <= 0 ? 0 : Math.min(STEPS, 1 + Math.floor((STEPS * rate) / 100)));
