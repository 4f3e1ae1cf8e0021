/**
 * Who comes and who goes: accounts of the site, or memberships of the member's own conversations.
 *
 * @import { Card } from "../types.js"
 */

import { flowChart } from "../charts/flow.js";
import { chartOf } from "./buckets.js";
import { intervalChoice } from "./choices.js";
import { sum } from "./lists.js";
import { alone, dayInterval } from "./spans.js";
import { columnsOf, tableOverTime } from "./tables.js";

/** @typedef {"accounts" | "joined" | "deleted" | "memberships" | "memberships_joined" | "memberships_left"} Field */
/** @typedef {{ timestamp: string, is_partial: boolean } & Record<Field, number | null>} Bucket */
/** @typedef {{ there: Field, came: Field, went: Field, came_as: string, went_as: string }} Kind */

/** @type {Kind} */
const ACCOUNTS = {
  there: "accounts",
  came: "joined",
  went: "deleted",
  came_as: "created",
  went_as: "deleted",
};
/** @type {Kind} */
const MEMBERSHIPS = {
  there: "memberships",
  came: "memberships_joined",
  went: "memberships_left",
  came_as: "joined",
  went_as: "left",
};
const TITLES = {
  accounts: "accounts",
  joined: "created",
  deleted: "deleted",
  memberships: "memberships",
  memberships_joined: "joined",
  memberships_left: "left",
};

/** @type {Card} */
export const membership = {
  kind: "card",
  id: "membership",
  title: "Who comes, who goes",
  metrics: ["membership"],
  width: 2,
  choices: (view) => [intervalChoice(dayInterval(view))],
  asks: (view) => ({
    membership: {
      path: "/membership",
      parameters: { ...alone(view), interval: dayInterval(view) },
    },
  }),
  content: ({ membership }, view) => {
    const { format, role } = view;
    const interval = dayInterval(view);
    const { there, came, went, came_as, went_as } = role === "admin" ? ACCOUNTS : MEMBERSHIPS;
    /** @type {Bucket[]} */
    const buckets = membership.membership;
    const valuesOf = (/** @type {Field} */ field) => buckets.map((bucket) => bucket[field]);
    const sentence =
      `${format.number(buckets[buckets.length - 1][there])} ${there} at the end; ` +
      `${format.number(sum(valuesOf(came)))} ${came_as}, ${format.number(sum(valuesOf(went)))} ${went_as}.`;
    const known = columnsOf(TITLES, format.number).filter(({ name }) =>
      valuesOf(/** @type {Field} */ (name)).some((value) => value !== null),
    );
    return {
      note: sentence,
      legend: [
        { className: "series-2", label: came_as },
        { className: "series-lost", label: went_as },
      ],
      sentence,
      chart: (width) =>
        flowChart({
          ...chartOf(buckets, interval, view),
          width,
          above: [{ className: "series-2", values: valuesOf(came) }],
          below: [{ className: "series-lost", values: valuesOf(went) }],
          sentence,
        }),
      table: tableOverTime(buckets, interval, view, [...known]),
    };
  },
};
