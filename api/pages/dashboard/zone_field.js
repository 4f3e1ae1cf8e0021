/**
 * The time zone: typed or chosen from a list.
 */

import { Component, h } from "./vendor/preact.js";

/**
 * A component, because typed text must survive a drawing of the page.
 *
 * @typedef {object} Props
 * @property {string} zone that is shown
 * @property {string} browserZone
 * @property {string[] | null} zones null: they are not known yet
 * @property {(tz: string) => void} choose receives "" for the zone of the browser
 *
 * @extends {Component<Props, {}>}
 */
export class ZoneField extends Component {
  /** @param {Props} next */
  shouldComponentUpdate({ zone, zones }) {
    return zone !== this.props.zone || zones !== this.props.zones;
  }

  render() {
    const { zone, zones } = this.props;
    return h(
      "label",
      { class: "select zone" },
      h("span", { class: "hidden" }, "Time zone"),
      h("input", {
        list: "zones",
        autocomplete: "off",
        spellcheck: false,
        size: 15,
        disabled: zones === null,
        value: zone,
        onInput: (/** @type {any} */ event) => event.currentTarget.setCustomValidity(""),
        onChange: (/** @type {any} */ event) => this.change(event.currentTarget),
      }),
      h(
        "datalist",
        { id: "zones" },
        (zones ?? []).map((one) => h("option", { key: one, value: one })),
      ),
    );
  }

  /** @param {HTMLInputElement} field */
  change(field) {
    const { zone, zones, browserZone, choose } = this.props;
    const wanted = field.value.trim().replaceAll(" ", "_").toLowerCase();
    const found = (zones ?? []).find((one) => one.toLowerCase() === wanted);
    if (found === undefined) {
      field.setCustomValidity("Give a zone such as Europe/Berlin.");
      field.reportValidity();
      return;
    }
    field.value = found;
    if (found !== zone) choose(found === browserZone ? "" : found);
  }
}
