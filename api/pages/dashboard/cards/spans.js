/**
 * The periods that cards ask for, where it is not just that of the page.
 *
 * @import { Parameters, View } from "../types.js"
 */

import { lengthInDays } from "../period.js";

/**
 * The period of the page, compared with nothing.
 *
 * @param {View} view
 * @returns {Parameters}
 */
export function alone({ period }) {
  const { compare: _, ...parameters } = period;
  return parameters;
}

/**
 * The parameters of what has no period: it is as it is now.
 *
 * @param {View} view
 * @returns {Parameters}
 */
export const ofNow = ({ period: { tz, include_bots = "" } }) => ({ tz, include_bots });

/**
 * The last so many days where the period of the page is shorter: a week has no shape in a day. A
 * period that was chosen by its dates stays as it is.
 *
 * @param {View} view
 * @param {number} days
 * @returns {Parameters}
 */
export function atLeast(view, days) {
  if (view.state.start !== "" || lengthInDays(view.state) >= days) return alone(view);
  const { days: _, start: _start, ...parameters } = alone(view);
  return { ...parameters, ...view.lastDays(days) };
}

/**
 * The interval for what has no hours.
 *
 * @param {View} view
 */
export const dayInterval = ({ interval }) => (interval === "hourly" ? "daily" : interval);

/**
 * The interval for what takes weeks to be seen: weeks, unless months are chosen.
 *
 * @param {View} view
 */
export const longInterval = ({ interval }) => (interval === "monthly" ? "monthly" : "weekly");
