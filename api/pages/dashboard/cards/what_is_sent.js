/** @import { Card, Tree } from "../types.js" */

import { h } from "../vendor/preact.js";
import { facts } from "./facts.js";
import { highest } from "./lists.js";
import { columnsOf, tableOf } from "./tables.js";
import { NOBODY_WROTE } from "./words.js";

/** @type {{ name: string, className: string }[]} */
const TYPES = [
  { name: "text", className: "series-1" },
  { name: "image", className: "series-2" },
  { name: "file", className: "series-3" },
  { name: "system", className: "series-lost" },
  { name: "other", className: "series-ghost" },
];

/** @type {Card} */
export const whatIsSent = {
  kind: "card",
  id: "what_is_sent",
  title: "What is sent",
  metrics: ["message_stats"],
  width: 2,
  asks: (view) => ({ messages: { path: "/messages", parameters: view.period } }),
  content: ({ messages }, view) => {
    if (messages.total_messages === 0) return { empty: NOBODY_WROTE };
    const { format } = view;
    const types = TYPES.map(({ name, className }) => ({
      name,
      className,
      count: messages[`${name}_messages`],
      share: messages.message_type_distribution[name],
    }));
    const most = highest(types, (type) => type.share);
    return {
      sentence: `${format.percent(most.share)} of the messages are ${most.name}.`,
      body: [
        mix(types),
        facts([
          ...types.map(({ name, className, share }) => ({
            name,
            className,
            value: format.percent(share),
          })),
          {
            name: "average length",
            value: `${format.number(messages.avg_message_length)} characters`,
          },
        ]),
      ],
      table: tableOf(types, [
        ...columnsOf({ name: "type" }),
        ...columnsOf({ count: "messages" }, format.number),
        ...columnsOf({ share: "share" }, format.percent),
      ]),
    };
  },
};

/**
 * The shares as one bar.
 *
 * @param {{ name: string, className: string, share: number }[]} types
 * @returns {Tree}
 */
const mix = (types) =>
  h(
    "div",
    { key: "mix", class: "mix", "aria-hidden": "true" },
    types
      .filter(({ share }) => share > 0)
      .map(({ name, className, share }) =>
        h("i", { key: name, class: className, style: { flexGrow: share } }),
      ),
  );
