/**
 * Whether few people write most of the messages.
 *
 * @import { Card } from "../types.js"
 */

import { rank } from "./rank.js";
import { alone } from "./spans.js";
import { columnsOf, tableOf } from "./tables.js";
import { NOBODY_WROTE } from "./words.js";

const GROUPS = [
  { title: "1% who write the most", field: "top_1_percent_share" },
  { title: "10% who write the most", field: "top_10_percent_share" },
  { title: "half that writes the most", field: "top_half_share" },
];

/** @type {Card} */
export const concentration = {
  kind: "card",
  id: "concentration",
  title: "How many write most of it",
  metrics: ["concentration"],
  width: 2,
  asks: (view) => ({ concentration: { path: "/concentration", parameters: alone(view) } }),
  content: ({ concentration }, view) => {
    if (concentration.writers === 0) return { empty: NOBODY_WROTE };
    const { format } = view;
    const shares = GROUPS.map(({ title, field }) => ({
      title,
      share: /** @type {number} */ (concentration[field]),
    }));
    const sentence =
      `A tenth of the ${format.number(concentration.writers)} people who wrote ` +
      `wrote ${format.percent(concentration.top_10_percent_share)} of the messages.`;
    return {
      note: `${sentence} Gini coefficient: ${format.number(concentration.gini)}.`,
      sentence,
      body: rank(
        shares.map(({ title, share }) => ({
          key: title,
          name: title,
          amount: format.percent(share),
          value: share,
        })),
        100,
      ),
      table: tableOf(shares, [
        ...columnsOf({ title: "people" }),
        ...columnsOf({ share: "share of the messages" }, format.percent),
      ]),
    };
  },
};
