/**
 * The controls of the header: what is shown.
 *
 * @import { Actions, Model, State, View } from "./types.js"
 */

import { dates } from "./dates.js";
import { h } from "./vendor/preact.js";
import { ZoneField } from "./zone_field.js";

const PERIODS = [
  { value: "1", label: "24 h", name: "24 hours" },
  { value: "7", label: "7 d", name: "7 days" },
  { value: "30", label: "30 d", name: "30 days" },
  { value: "90", label: "90 d", name: "90 days" },
];
const COMPARISONS = [
  { value: "previous", label: "vs. previous" },
  { value: "year", label: "vs. last year" },
  { value: "", label: "no comparison" },
];

/**
 * @param {Model} model
 * @param {View | null} view null before the first answer
 * @param {Actions} actions
 */
export function controls(model, view, actions) {
  const { state } = model;
  return h(
    "div",
    { key: "controls", class: "controls", role: "group", "aria-label": "What is shown" },
    h(
      "div",
      { class: "periods" },
      h(
        "fieldset",
        { class: "segments" },
        h("legend", { class: "hidden" }, "Period"),
        PERIODS.map((period) => periodRadio(period, state, actions)),
      ),
      dates(model, view, actions),
    ),
    comparison(state, actions),
    h(ZoneField, {
      zone: view?.zone ?? (state.tz || model.zone),
      browserZone: model.zone,
      zones: view?.generation.zones ?? null,
      choose: (/** @type {string} */ tz) => actions.change({ tz }),
    }),
    h(
      "label",
      { class: "check" },
      h("input", {
        type: "checkbox",
        checked: state.include_bots !== "false",
        onChange: (/** @type {any} */ event) =>
          actions.change({ include_bots: event.currentTarget.checked ? "true" : "false" }),
      }),
      "Bots",
    ),
  );
}

/** @param {{ value: string, label: string, name: string }} period @param {State} state @param {Actions} actions */
const periodRadio = ({ value, label, name }, state, actions) =>
  h(
    "label",
    { key: value },
    h("input", {
      type: "radio",
      name: "days",
      value,
      checked: state.start === "" && state.days === value,
      "aria-label": name,
      onChange: () => actions.change({ days: value, start: "", end: "", interval: "" }),
    }),
    h("span", null, label),
  );

/** @param {State} state @param {Actions} actions */
const comparison = (state, actions) =>
  h(
    "label",
    { class: "select" },
    h("span", { class: "hidden" }, "Compare with"),
    h(
      "select",
      {
        value: state.compare,
        onChange: (/** @type {any} */ event) =>
          actions.change({ compare: event.currentTarget.value }),
      },
      COMPARISONS.map(({ value, label }) => h("option", { key: value, value }, label)),
    ),
  );
