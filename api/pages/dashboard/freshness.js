/**
 * How old the data are, in words and in color.
 *
 * @import { Actions, Model, View } from "./types.js"
 */

import { STALE_MS } from "./clock.js";
import { popover } from "./popover.js";
import { h } from "./vendor/preact.js";

/**
 * The pill of the header, and the popover that tells what is shown.
 *
 * @param {Model} model
 * @param {View} view
 * @param {Actions} actions
 */
export function freshness(model, view, actions) {
  const { format, generation } = view;
  const tone = toneOf(model, generation.data_through);
  const asOf = `As of ${format.time(generation.data_through)}`;
  const age = format.ago(Date.parse(generation.data_through), model.now);
  return [
    h(
      "button",
      { key: "pill", type: "button", class: `pill ${tone}`, popovertarget: "about-data" },
      tone === "away" ? `Away · ${asOf.toLowerCase()}` : `${asOf} · ${age}`,
    ),
    popover(
      { id: "about-data", label: "About these data" },
      model.later?.aboutData(model, view, tone === "stale" ? age : ""),
      actions.wantLater,
    ),
  ];
}

/**
 * Fresh, stale, or away: nothing newer can be asked for.
 *
 * @param {Pick<Model, "trouble" | "is_online" | "now">} model
 * @param {string} dataThrough
 * @returns {"fresh" | "stale" | "away"}
 */
export function toneOf({ trouble, is_online, now }, dataThrough) {
  if (!is_online || (trouble !== null && !trouble.is_partial && trouble.reason !== "too_old"))
    return "away";
  return now - Date.parse(dataThrough) > STALE_MS ? "stale" : "fresh";
}
