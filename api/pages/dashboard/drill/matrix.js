/**
 * Who replies to whom: a row for each person, a column for whom they reply to.
 *
 * @import { Content, View } from "../types.js"
 */

import { columnsOf, tableOf } from "../cards/tables.js";
import { personName } from "../cards/words.js";
import { heatClass, heatSteps } from "../charts/heatmap.js";
import { h } from "../vendor/preact.js";

const PEOPLE = 8;

/**
 * @typedef {object} Response
 * @property {string} from_user_id
 * @property {string | null} from_username
 * @property {string} to_user_id
 * @property {string | null} to_username
 * @property {number} replies
 * @property {number} half_seconds
 */

/** @typedef {{ id: string, name: string, replies: number }} Person */

/**
 * @param {Response[]} responses the most replies first
 * @param {View} view
 * @returns {Content}
 */
export function matrixContent(responses, view) {
  if (responses.length === 0) {
    return {
      empty:
        "Nobody replied in this period, or fewer than five people are here: then it is not shown.",
    };
  }
  const { format } = view;
  const people = peopleOf(responses).slice(0, PEOPLE);
  const [first] = responses;
  const sentence =
    `${personName(first.from_username)} replied to ${personName(first.to_username)} the most: ` +
    `${format.number(first.replies)} times, half within ${format.duration(first.half_seconds)}.`;
  return {
    note: sentence,
    sentence,
    body: matrixTree(people, responses, view),
    table: tableOf(responses, [
      ...columnsOf({ from_username: "who", to_username: "to whom" }, personName),
      ...columnsOf({ replies: "replies" }, format.number),
      ...columnsOf({ half_seconds: "half within" }, format.duration),
      ...columnsOf({ from_user_id: "id", to_user_id: "id of whom" }),
    ]),
  };
}

/** Those who reply and are replied to the most first. @param {Response[]} responses @returns {Person[]} */
function peopleOf(responses) {
  /** @type {Map<string, Person>} */
  const people = new Map();
  for (const one of responses) {
    for (const [id, username] of /** @type {[string, string | null][]} */ ([
      [one.from_user_id, one.from_username],
      [one.to_user_id, one.to_username],
    ])) {
      const person = people.get(id) ?? { id, name: personName(username), replies: 0 };
      person.replies += one.replies;
      people.set(id, person);
    }
  }
  return [...people.values()].sort((a, b) => b.replies - a.replies);
}

/** @param {Person[]} people @param {Response[]} responses @param {View} view */
function matrixTree(people, responses, { format, change }) {
  const stepOf = heatSteps(responses.map((one) => one.replies));
  const cellOf = (/** @type {Person} */ from, /** @type {Person} */ to) => {
    const found = responses.find((one) => one.from_user_id === from.id && one.to_user_id === to.id);
    return found === undefined
      ? h("td", { key: to.id })
      : h(
          "td",
          { key: to.id, class: heatClass(found.replies, stepOf) },
          format.number(found.replies),
        );
  };
  return h(
    "div",
    {
      key: "matrix",
      class: "scroll",
      tabIndex: 0,
      role: "region",
      "aria-label": "Replies by person",
    },
    h(
      "table",
      { class: "cells" },
      h("caption", { class: "hidden" }, "Replies of a person (row) to a person (column)"),
      h(
        "thead",
        null,
        h(
          "tr",
          null,
          h("th", { scope: "col" }, "who replies to"),
          people.map(({ id, name }, i) =>
            h(
              "th",
              { key: id, scope: "col", title: name },
              h("span", { "aria-hidden": "true" }, i + 1),
              h("span", { class: "hidden" }, name),
            ),
          ),
        ),
      ),
      h(
        "tbody",
        null,
        people.map((from, i) =>
          h(
            "tr",
            { key: from.id },
            h(
              "th",
              { scope: "row" },
              h(
                "button",
                {
                  type: "button",
                  class: "link",
                  onClick: () => change({ user_id: from.id, conversation_id: "" }),
                },
                `${i + 1} ${from.name}`,
              ),
            ),
            people.map((to) => cellOf(from, to)),
          ),
        ),
      ),
    ),
  );
}
