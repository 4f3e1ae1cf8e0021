/**
 * The button of a custom period: it names the period, and opens the form.
 *
 * @import { Actions, Model, View } from "./types.js"
 */

import { icon } from "./icon.js";
import { popover } from "./popover.js";
import { h } from "./vendor/preact.js";
import { periodInWords } from "./words.js";

/** The id of the popover. */
export const DATES = "dates";

/**
 * @param {Model} model
 * @param {View | null} view null before the first answer
 * @param {Actions} actions
 */
export function dates({ state, later }, view, actions) {
  const isOwn = state.start !== "";
  return [
    h(
      "button",
      {
        key: "button",
        type: "button",
        class: "dates",
        popovertarget: DATES,
        "aria-pressed": String(isOwn),
        disabled: view === null,
      },
      icon("calendar"),
      isOwn && view !== null
        ? periodInWords(state, view.format)
        : h("span", { class: "hidden" }, "Other dates"),
    ),
    popover(
      { id: DATES, label: "Other dates", className: "below" },
      view && later?.periodForm(view, actions),
      actions.wantLater,
    ),
  ];
}
