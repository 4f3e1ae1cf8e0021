/**
 * When the page must be drawn again because time passes: each second while something counts down,
 * else when a word changes. Pure: the time is given.
 *
 * @import { Model, Session } from "./types.js"
 */

const SECOND = 1000;
const MINUTE = 60 * SECOND;

/** Data are stale when they are older. */
export const STALE_MS = 15 * MINUTE;
/** One is warned so long before the token expires. */
export const WARNING_MS = 5 * MINUTE;

/**
 * Milliseconds until the page shows something else, if nothing but the time changes.
 *
 * @param {Pick<Model, "session" | "shown" | "trouble" | "is_online">} model
 * @param {number} now
 */
export function untilTick({ session, shown, trouble, is_online }, now) {
  if (trouble?.retry_at != null && is_online) return untilNext(now, trouble.retry_at, SECOND);
  const age =
    shown === null ? MINUTE : untilNext(now, Date.parse(shown.generation.data_through), MINUTE);
  return Math.min(age, untilExpiry(session, now));
}

/**
 * Whether the token expires soon; one that has expired is refused by the API.
 *
 * @param {Session | null} session
 * @param {number} now
 */
export const expiresSoon = (session, now) =>
  session !== null && session.expires_at - now <= WARNING_MS && session.expires_at > now;

/** To the next full `step` before or after an instant. @param {number} now @param {number} instant @param {number} step */
const untilNext = (now, instant, step) => step - ((((now - instant) % step) + step) % step);

/** To the warning, and to the end. @param {Session | null} session @param {number} now */
function untilExpiry(session, now) {
  if (session === null) return MINUTE;
  const ends = [session.expires_at - WARNING_MS, session.expires_at].map((end) => end - now);
  return Math.min(MINUTE, ...ends.filter((rest) => rest > 0));
}
