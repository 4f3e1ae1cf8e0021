/**
 * What the page says about itself: why something is not there, and what happens next.
 *
 * The words of a notice do not change while it is shown, so a screen reader says them once; what
 * counts down is beside them, and is not read out.
 *
 * @import { Actions, Model, Trouble, View } from "./types.js"
 */

import { expiresSoon } from "./clock.js";
import { lastDayOf } from "./emptiness.js";
import { formInPopover } from "./signin.js";
import { write } from "./state.js";
import { h } from "./vendor/preact.js";

/**
 * @param {Model} model
 * @param {View | null} view null before the first answer
 * @param {Actions} actions
 */
export const notices = (model, view, actions) =>
  h(
    "div",
    { key: "notices", class: "notices" },
    away(model, actions),
    expiry(model, view, actions),
    emptiness(model, view, actions),
  );

/**
 * Why the page could not load, in words.
 *
 * @param {Pick<Trouble, "status" | "detail" | "is_partial">} trouble
 */
export function troubleInWords({ status, detail, is_partial }) {
  if (is_partial) return `Some numbers are not there yet. ${detail}`;
  if (status === 0 || status === 502 || status === 504) {
    return "The server cannot be reached. What you see stays.";
  }
  return status === 429 ? `Too many questions at once. What you see stays. ${detail}` : detail;
}

/** What is in the way of new numbers. @param {Model} model @param {Actions} actions */
function away({ is_online, trouble, now, is_loading }, actions) {
  if (!is_online) {
    return notice(
      "offline",
      "You are offline. What you see stays, and goes on by itself when you are online again.",
    );
  }
  if (trouble === null) return null;
  const { retry_at } = trouble;
  const seconds = retry_at === null ? null : Math.max(0, Math.ceil((retry_at - now) / 1000));
  return notice(
    "trouble",
    troubleInWords(trouble),
    is_loading
      ? h("span", { key: "wait", class: "count" }, "Trying …")
      : seconds !== null && h("span", { key: "wait", class: "count" }, `Goes on in ${seconds} s.`),
    h("button", { key: "now", type: "button", class: "tool", onClick: actions.retry }, "Try now"),
  );
}

/** That the token expires soon. @param {Model} model @param {View | null} view @param {Actions} actions */
function expiry({ session, now, language }, view, actions) {
  if (session === null || !expiresSoon(session, now)) return null;
  const end = new Date(session.expires_at).toISOString();
  const time =
    view?.format.time(end) ??
    new Date(session.expires_at).toLocaleTimeString(language, { timeStyle: "short" });
  return notice(
    "expiry",
    `You are signed in until ${time}. With another token the page goes on as it is.`,
    formInPopover(actions),
  );
}

/** That nobody wrote. @param {Model} model @param {View | null} view @param {Actions} actions */
function emptiness({ shown }, view, actions) {
  const day = shown === null || view === null ? undefined : lastDayOf(view, shown.answers);
  if (day === undefined || view === null) return null;
  if (day === null)
    return notice("empty", "Nobody wrote in this period, nor on any of the last 365 days.");
  const change = { days: "", start: day, end: day, interval: "" };
  return notice(
    "empty",
    "Nobody wrote in this period.",
    h(
      "a",
      {
        key: "last",
        href: write({ ...view.state, ...change }),
        onClick: (/** @type {MouseEvent} */ event) => {
          if (event.ctrlKey || event.metaKey || event.shiftKey) return;
          event.preventDefault();
          actions.change(change);
        },
      },
      `Show ${view.format.dates(day)}, the last day with messages`,
    ),
  );
}

/** @param {string} key @param {string} words @param {...import("./types.js").Tree} more */
const notice = (key, words, ...more) =>
  h("div", { key, class: `notice ${key}` }, h("p", { key: "words", role: "alert" }, words), more);
