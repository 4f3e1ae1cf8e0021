/**
 * The accounts that were created in the period. `/activation` counts them in the period itself and
 * without bots; the buckets of `/membership` have no sum for members.
 *
 * @import { Tile } from "../types.js"
 */

import { before } from "./compared.js";

/** @type {Tile} */
export const newAccounts = {
  kind: "tile",
  id: "new_accounts",
  title: "New accounts",
  metrics: ["activation"],
  asks: (view) => ({ activation: { path: "/activation", parameters: view.period } }),
  value: ({ activation }, { format }) => ({
    now: activation.accounts,
    before: before(activation, (body) => body.accounts),
    text: format.number,
    good: 1,
  }),
};
