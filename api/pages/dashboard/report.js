/**
 * What a printed page begins with: of what it is a report, and who made it could see what.
 *
 * @import { View } from "./types.js"
 */

import { h } from "./vendor/preact.js";
import { comparedInWords, periodInWords } from "./words.js";

/**
 * A paragraph that is seen on paper alone.
 *
 * @param {View} view
 */
export function reportHead({ state, zone, generation, role, subject, format }) {
  const compared = comparedInWords(state);
  const seen = role === "admin" ? "an administrator, whole site" : `${subject}, own conversations`;
  return h(
    "p",
    { key: "report", class: "report" },
    h("b", null, periodInWords(state, format), compared && `, compared with ${compared}`),
    `Time zone ${zone}. Bots ${state.include_bots === "true" ? "included" : "left out"}. `,
    `Generation ${generation.generation}, data through ${format.instant(generation.data_through)}. `,
    `Seen by ${seen}.`,
  );
}
