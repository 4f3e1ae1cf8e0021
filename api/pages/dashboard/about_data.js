/**
 * What the numbers on the page are about.
 *
 * @import { Model, View } from "./types.js"
 */

import { h } from "./vendor/preact.js";
import { comparedInWords, periodInWords } from "./words.js";

/**
 * @param {Model} model
 * @param {View} view
 * @param {string} age of data that are old; "" = they are not
 */
export const aboutData = (model, view, age) => [
  h("h3", { key: "title" }, `Generation ${view.generation.generation}`),
  h(
    "p",
    { key: "one" },
    "All numbers on this page are of this one generation. A new one replaces them all at once.",
  ),
  age !== "" &&
    h("p", { key: "age" }, `The data are old: they were read from the messenger ${age}.`),
  h("dl", { key: "facts" }, facts(model, view).flatMap(pairOf)),
];

/** @param {Model} model @param {View} view @returns {[string, string][]} */
function facts(model, view) {
  const { format, generation, role, subject, zone, state } = view;
  return [
    ["data through", format.instant(generation.data_through)],
    ["published", format.instant(generation.generated_at)],
    [
      "proved",
      generation.proved_at === null
        ? "not yet"
        : `all days compared with the messenger since ${format.instant(generation.proved_at)}`,
    ],
    ["period", periodInWords(state, format)],
    ["compared with", comparedInWords(state) || "nothing"],
    ["time zone", zone],
    [
      "seen by",
      role === "admin" ? "administrator: the whole site" : `person ${subject}: own conversations`,
    ],
    ...(model.session === null
      ? []
      : [
          /** @type {[string, string]} */ ([
            "signed in until",
            format.instant(expiryOf(model.session)),
          ]),
        ]),
  ];
}

/** @param {NonNullable<Model["session"]>} session */
const expiryOf = ({ expires_at }) => new Date(Math.min(expires_at, 8.64e15)).toISOString();

/** @param {[string, string]} fact */
const pairOf = ([name, value]) => [
  h("dt", { key: name }, name),
  h("dd", { key: `${name} value` }, value),
];
