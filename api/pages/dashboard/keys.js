/**
 * Keys: 1, 7, 3 and 9 choose the period, c compares, ? explains. They can be turned off, because
 * speech input types single letters (WCAG 2.1.4).
 *
 * @import { Actions, Model, State } from "./types.js"
 */

const STORED = "messenger-analytics-keys";

/** The id of the popover. */
export const HELP = "help";

/** @type {Record<string, string>} */
const DAYS = { 1: "1", 7: "7", 3: "30", 9: "90" };

/**
 * What a key changes; null = nothing.
 *
 * @param {string} key
 * @param {State} state
 * @returns {Partial<State> | null}
 */
export function changeOf(key, state) {
  if (Object.hasOwn(DAYS, key)) return { days: DAYS[key], start: "", end: "", interval: "" };
  if (key === "c") return { compare: state.compare === "" ? "previous" : "" };
  return null;
}

/**
 * Listen to the keys, except in text fields and with modifiers.
 *
 * @param {() => Model} model
 * @param {Actions} actions
 */
export function listenToKeys(model, actions) {
  addEventListener("keydown", (event) => {
    const { session, state, has_keys } = model();
    if (!has_keys || session === null || event.ctrlKey || event.metaKey || event.altKey) return;
    if (isForWriting(/** @type {Element} */ (event.target))) return;
    if (event.key === "?") document.getElementById(HELP)?.togglePopover();
    const patch = changeOf(event.key, state);
    if (patch !== null) actions.change(patch);
  });
}

/** Whether keys were turned off in this browser. */
export function areKeysOff() {
  try {
    return localStorage.getItem(STORED) === "off";
  } catch {
    return false; // the browser keeps nothing
  }
}

/** @param {boolean} hasKeys */
export function rememberKeys(hasKeys) {
  try {
    if (hasKeys) localStorage.removeItem(STORED);
    else localStorage.setItem(STORED, "off");
  } catch {
    // The browser keeps nothing.
  }
}

/** @param {Element} target */
const isForWriting = (target) =>
  target.closest("select, textarea, dialog, [contenteditable]") !== null ||
  (target instanceof HTMLInputElement && !["radio", "checkbox"].includes(target.type));
