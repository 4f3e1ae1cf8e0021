/**
 * What follows when the API refuses, and when it is tried again. Pure: the time and the chance are
 * given.
 *
 * @import { Answer, Refusal, Trouble } from "./types.js"
 */

const AT_ONCE_MAX = 3;
const PAUSE_SECONDS_MAX = 60;

/** @typedef {{ now: number, random: number }} At now: milliseconds since 1970; random: 0 to 1 */

/**
 * What to do about a refusal: sign in again, start again with the newest generation, or wait.
 *
 * @param {Refusal} refusal
 * @param {number} failures how many have followed each other before this one
 * @param {At} at
 * @returns {{ step: "sign_in" | "newest" | "wait", trouble: Trouble | null }}
 */
export function afterRefusal(refusal, failures, at) {
  const { status, detail, reason, retry_after } = refusal;
  if (status === 401) return { step: "sign_in", trouble: null };
  if (status === 410 && failures < AT_ONCE_MAX) return { step: "newest", trouble: null };
  const seconds = retry_after ?? (mayPass(status) ? pauseAfter(failures, at.random) : null);
  return { step: "wait", trouble: troubleOf(status, detail, reason, false, seconds, at.now) };
}

/**
 * What to do about answers that have failed for a while; null = there are none.
 *
 * @param {Iterable<Answer>} answers
 * @param {number} failures how often it has been so before
 * @param {At} at
 * @returns {Trouble | null}
 */
export function afterAnswers(answers, failures, at) {
  const late = [...answers].filter(({ status }) => status === 429 || status === 503);
  if (late.length === 0) return null;
  const { status, body } = late.find((one) => one.status === 429) ?? late[0];
  // Without the growing pause an answer that always takes too long would be asked again without an end.
  const pauses = [pauseAfter(failures, at.random), ...late.map((one) => one.retry_after ?? 0)];
  const seconds = Math.max(...pauses);
  return troubleOf(status, body?.detail ?? "", "", true, seconds, at.now);
}

/**
 * Whether it is time to try again. Nobody needs the answer of a tab that is hidden.
 *
 * @param {Trouble | null} trouble
 * @param {{ now: number, is_online: boolean, is_hidden: boolean }} at
 */
export const isDue = (trouble, { now, is_online, is_hidden }) =>
  trouble !== null &&
  trouble.retry_at !== null &&
  trouble.retry_at <= now &&
  is_online &&
  !is_hidden;

/**
 * @param {number} status
 * @param {string} detail
 * @param {string} reason
 * @param {boolean} isPartial
 * @param {number | null} seconds
 * @param {number} now
 * @returns {Trouble}
 */
const troubleOf = (status, detail, reason, isPartial, seconds, now) =>
  Object.freeze({
    status,
    detail,
    reason,
    is_partial: isPartial,
    retry_at: seconds === null ? null : now + 1000 * seconds,
  });

/** Whether the same request may succeed later. @param {number} status */
const mayPass = (status) => [0, 408, 410, 429].includes(status) || status >= 500;

/**
 * Seconds before the next attempt: 2, 4, 8, … 60, and up to a half more, so that not all pages come
 * back in the same second.
 *
 * @param {number} failures
 * @param {number} random
 */
export const pauseAfter = (failures, random) =>
  Math.min(PAUSE_SECONDS_MAX, 2 ** (failures + 1)) * (1 + random / 2);
