/**
 * What new accounts do first: a funnel.
 *
 * @import { Card } from "../types.js"
 */

import { before, earlier } from "./compared.js";
import { rank } from "./rank.js";
import { columnsOf, tableOf } from "./tables.js";

/** @type {{ title: string, count: string, judged: string }[]} */
const STEPS = [
  { title: "wrote within 24 hours", count: "wrote_in_24_hours", judged: "judged_after_24_hours" },
  { title: "wrote within 7 days", count: "wrote_in_7_days", judged: "judged_after_7_days" },
  { title: "were answered", count: "answered", judged: "judged_after_8_days" },
  { title: "came back in the second week", count: "came_back", judged: "judged_after_14_days" },
];

/** @type {Card} */
export const activation = {
  kind: "card",
  id: "activation",
  title: "What new accounts do",
  metrics: ["activation"],
  width: 2,
  asks: (view) => ({ activation: { path: "/activation", parameters: view.period } }),
  content: ({ activation }, view) => {
    const { format } = view;
    if (activation.accounts === 0) return { empty: "No account was created in this period." };
    const isCompared = activation.compared !== undefined;
    const steps = STEPS.map(({ title, count, judged }) => ({
      title,
      count: /** @type {number | null} */ (activation[count]),
      judged: /** @type {number} */ (activation[judged]),
      rate: /** @type {number} */ (activation[`${count}_rate`]),
      compared_rate: before(activation, (body) => body[`${count}_rate`]),
    })).filter((step) => step.count !== null); // who came back is not known without read receipts
    const sentence = `${format.number(activation.accounts)} new accounts.`;
    return {
      note: `${sentence} Shares are of those that are old enough to judge.`,
      sentence: [
        sentence,
        ...steps.map((step) => `${format.percent(step.rate)} ${step.title}.`),
      ].join(" "),
      body: rank(
        steps.map(({ title, count, judged, rate }) => ({
          key: title,
          name: title,
          detail: `${format.number(count)} of ${format.number(judged)}`,
          amount: format.percent(rate),
          value: rate,
        })),
        100,
      ),
      table: tableOf(steps, [
        ...columnsOf({ title: "step" }),
        ...columnsOf({ judged: "accounts that can be judged", count: "did so" }, format.number),
        ...columnsOf(
          { rate: "share", ...(isCompared && { compared_rate: earlier(view) }) },
          format.percent,
        ),
      ]),
    };
  },
};
