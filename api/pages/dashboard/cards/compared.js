/**
 * The earlier period that answers are compared with.
 *
 * @import { View } from "../types.js"
 */

/**
 * A number of the earlier period.
 *
 * @template Body
 * @param {Body & { compared?: Body | null }} body an answer
 * @param {(body: Body) => number | null | undefined} pick
 * @returns {number | null | undefined} undefined = nothing is compared, null = it is not known
 */
export const before = ({ compared }, pick) =>
  compared === undefined ? undefined : compared === null ? null : (pick(compared) ?? null);

/**
 * What the earlier period is called.
 *
 * @param {View} view
 */
export const earlier = ({ period }) =>
  period.compare === "year" ? "year before" : "period before";
