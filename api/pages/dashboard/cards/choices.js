/**
 * The choices that cards share.
 *
 * @import { Choice, Interval, View } from "../types.js"
 */

import { lengthInDays } from "../period.js";

const WITHOUT_HOURS = /** @type {Interval[]} */ (["daily", "weekly", "monthly"]);
const HOURLY_DAYS_MAX = 31; // 744 bars
const WEEKLY_DAYS_MIN = 28;
const MONTHLY_DAYS_MIN = 90;

/**
 * How long the buckets are.
 *
 * @param {Interval} value
 * @param {Interval[]} [options]
 * @returns {Choice}
 */
export const intervalChoice = (value, options = WITHOUT_HOURS) => ({
  label: "Interval",
  name: "interval",
  value,
  options: options.map((option) => ({ value: option, label: option })),
});

/**
 * The intervals that leave neither a thousand bars nor one.
 *
 * @param {View} view
 * @returns {Choice}
 */
export function timelineInterval({ state, generation, interval }) {
  const days = lengthInDays(state, generation.data_through);
  const isUseful = {
    hourly: days <= HOURLY_DAYS_MAX,
    daily: true,
    weekly: days >= WEEKLY_DAYS_MIN,
    monthly: days >= MONTHLY_DAYS_MIN,
  };
  const all = /** @type {Interval[]} */ (Object.keys(isUseful));
  return intervalChoice(
    interval,
    all.filter((one) => isUseful[one] || one === interval),
  );
}
