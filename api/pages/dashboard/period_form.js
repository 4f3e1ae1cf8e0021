/**
 * The form of a custom period: from a date to a date, both included.
 *
 * @import { Actions, View } from "./types.js"
 */

import { DATES } from "./dates.js";
import { lengthInDays, localDate, shifted } from "./period.js";
import { Component, h } from "./vendor/preact.js";
import { PERIOD_DAYS_MAX } from "./view.js";

/**
 * @param {View} view
 * @param {Actions} actions
 */
export function periodForm({ state, generation, zone }, actions) {
  const last = localDate(generation.data_through, zone);
  return h(PeriodForm, {
    key: "form",
    start: state.start || shifted(last, 1 - Number(state.days || 1)),
    end: state.end || last,
    first: generation.first_day ?? "",
    last,
    choose: (start, end) => {
      document.getElementById(DATES)?.hidePopover();
      actions.change({ days: "", start, end, interval: "" });
    },
  });
}

/**
 * Why these dates are no period; "" = they are one.
 *
 * @param {string} start
 * @param {string} end
 */
export function faultOf(start, end) {
  if (end < start) return "The last day is before the first.";
  const days = lengthInDays({ days: "", start, end });
  return days > PERIOD_DAYS_MAX
    ? `These are ${days} days; ${PERIOD_DAYS_MAX} are shown at most.`
    : "";
}

/**
 * A component, because typed text must survive a drawing of the page.
 *
 * @typedef {object} Props
 * @property {string} start
 * @property {string} end
 * @property {string} first the first day with data
 * @property {string} last
 * @property {(start: string, end: string) => void} choose
 *
 * @extends {Component<Props, {}>}
 */
class PeriodForm extends Component {
  /** @param {Props} next */
  shouldComponentUpdate(next) {
    return ["start", "end", "first", "last"].some(
      (name) =>
        next[/** @type {keyof Props} */ (name)] !== this.props[/** @type {keyof Props} */ (name)],
    );
  }

  render() {
    const { start, end, first, last } = this.props;
    return h(
      "form",
      {
        class: "dates-form",
        onSubmit: (/** @type {SubmitEvent} */ event) => this.submit(event),
      },
      dateField("start", "First day", start, first, last),
      dateField("end", "Last day", end, first, last),
      h("button", { class: "primary" }, "Show"),
    );
  }

  /** @param {SubmitEvent} event */
  submit(event) {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.currentTarget);
    const given = new FormData(form);
    const [start, end] = [String(given.get("start")), String(given.get("end"))];
    const field = /** @type {HTMLInputElement} */ (form.elements.namedItem("end"));
    field.setCustomValidity(faultOf(start, end));
    if (form.reportValidity()) this.props.choose(start, end);
  }
}

/** @param {string} name @param {string} label @param {string} value @param {string} min @param {string} max */
const dateField = (name, label, value, min, max) =>
  h(
    "label",
    null,
    label,
    h("input", {
      type: "date",
      name,
      value,
      min,
      max,
      required: true,
      onInput: (/** @type {any} */ event) =>
        event.currentTarget.form.elements.namedItem("end").setCustomValidity(""),
    }),
  );
