/**
 * The session: who is signed in.
 *
 * A token is pasted, or comes in the fragment of the address, which reaches no server and no log;
 * it is taken out of the address at once. It is kept for this tab, or on this device if asked for,
 * and never in a query or a cookie. Its claims tell what to show; what one may see is decided by
 * the server.
 *
 * @import { Session } from "./types.js"
 */

const KEY = "messenger-analytics-token";
const FRAGMENT = /^#token=(.*)$/s;

/** The token where the browser keeps nothing, as in a frame of another site. */
let held = "";

/**
 * The session that the page begins with: of the address, else the one that is kept.
 *
 * @returns {{ session: Session | null, reason: string }} reason: why there is none; "" = nothing is
 *   wrong
 */
export function openSession() {
  const token = takeFragment();
  if (token === null) return { session: keptSession(), reason: "" };
  const session = sessionOf(token);
  const reason = refusalOf(session);
  if (session === null || reason !== "") return { session: null, reason };
  keepSession(session, false);
  return { session, reason };
}

/**
 * The token of the address, which is removed from it; null = there is none.
 *
 * @returns {string | null}
 */
export function takeFragment() {
  const found = FRAGMENT.exec(location.hash);
  if (found === null) return null;
  history.replaceState(history.state, "", location.pathname + location.search);
  return found[1];
}

/**
 * The session that is kept.
 *
 * @returns {Session | null}
 */
export function keptSession() {
  const token =
    attempt(() => sessionStorage.getItem(KEY)) ?? attempt(() => localStorage.getItem(KEY));
  const session = sessionOf(token ?? held);
  return refusalOf(session) === "" ? session : null;
}

/**
 * Keep a session for this tab.
 *
 * @param {Session} session
 * @param {boolean} isKept whether also after the tab is closed
 */
export function keepSession({ token }, isKept) {
  endSession();
  held = token;
  attempt(() => (isKept ? localStorage : sessionStorage).setItem(KEY, token));
}

/** Forget the token. */
export function endSession() {
  held = "";
  attempt(() => sessionStorage.removeItem(KEY));
  attempt(() => localStorage.removeItem(KEY));
}

/**
 * Whether another tab has changed the token that is kept on this device.
 *
 * @param {StorageEvent} event
 */
export const isAboutSession = ({ key, storageArea }) =>
  (key === KEY || key === null) && storageArea === attempt(() => localStorage);

/**
 * What the claims of a token say; null: it is none.
 *
 * @param {string} token
 * @returns {Session | null}
 */
export function sessionOf(token) {
  const text = token.trim().replace(/^Bearer\s+/i, "");
  try {
    const [, payload] = text.split(".");
    const bytes = Uint8Array.from(atob(fromUrlAlphabet(payload)), (sign) => sign.charCodeAt(0));
    const { sub, role, exp } = JSON.parse(new TextDecoder().decode(bytes));
    if (typeof exp !== "number") return null;
    return Object.freeze({ token: text, subject: String(sub), role, expires_at: exp * 1000 });
  } catch {
    return null;
  }
}

/**
 * Why this token cannot be used to sign in; "" = the page sees nothing wrong with it.
 *
 * @param {Session | null} session
 */
export function refusalOf(session) {
  if (session === null)
    return "This is not a token. Copy all of it: three parts with dots between them.";
  if (session.role === "service") {
    return "This token is of a service, which may post events and sees no numbers. Sign in with the token of an administrator or of a member.";
  }
  return "";
}

/**
 * What a storage gives; null where the browser refuses it.
 *
 * @template T
 * @param {() => T} action
 * @returns {T | null}
 */
function attempt(action) {
  try {
    return action();
  } catch {
    return null;
  }
}

/** @param {string} text */
const fromUrlAlphabet = (text) => text.replaceAll("-", "+").replaceAll("_", "/");
