/**
 * A period in which nobody wrote: where the last day with messages is.
 *
 * @import { Answer, View } from "./types.js"
 */

import { keyOf } from "./ask.js";
import { localDate } from "./period.js";

const DAYS_BACK = "365";

/**
 * The keys of what must be asked besides, to tell where the last day with messages is; none if
 * there are messages in the period.
 *
 * @param {View} view
 * @param {ReadonlyMap<string, Answer>} answers
 * @returns {string[]}
 */
export const lastDayKeys = (view, answers) =>
  isEmpty(view, answers) ? [keyOf(lastDayAsk(view))] : [];

/**
 * The last local day on which somebody wrote; null = on none of the last 365; undefined = somebody
 * wrote in the period, or it is not known.
 *
 * @param {View} view
 * @param {ReadonlyMap<string, Answer>} answers
 * @returns {string | null | undefined}
 */
export function lastDayOf(view, answers) {
  if (!isEmpty(view, answers)) return undefined;
  const answer = answers.get(keyOf(lastDayAsk(view)));
  if (answer?.status !== 200) return undefined;
  /** @type {{ timestamp: string, count: number }[]} */
  const days = answer.body.timeline;
  const last = days.findLast((day) => day.count > 0);
  return last === undefined ? null : localDate(last.timestamp, view.zone);
}

/** @param {View} view @param {ReadonlyMap<string, Answer>} answers */
const isEmpty = (view, answers) =>
  answers.get(keyOf({ path: "/messages", parameters: view.period }))?.body?.total_messages === 0;

/** @param {View} view */
const lastDayAsk = ({ zone, period }) => ({
  path: "/timeline",
  parameters: {
    days: DAYS_BACK,
    interval: "daily",
    tz: zone,
    ...(period.include_bots !== undefined && { include_bots: period.include_bots }),
  },
});
