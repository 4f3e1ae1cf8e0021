/**
 * Signing in: a token is pasted.
 *
 * @import { Actions } from "./types.js"
 */

import { Component, h } from "./vendor/preact.js";

/** Of the form in a popover. */
const POPOVER = "sign-in-again";

/**
 * The form in the place of the numbers.
 *
 * @param {string} reason why signing in is needed; "" = nothing is wrong
 * @param {Actions} actions
 */
export const signIn = (reason, actions) =>
  h(
    "section",
    { key: "sign-in", class: "card sign-in", "aria-labelledby": "sign-in-title" },
    h("h2", { id: "sign-in-title" }, "Sign in"),
    h("p", { class: "problem", role: "alert" }, reason),
    h(Form, { actions, hasFocus: true }),
  );

/**
 * A button that opens the form beside the numbers, which stay.
 *
 * @param {Actions} actions
 */
export const formInPopover = (actions) => [
  h(
    "button",
    { key: "open", type: "button", class: "tool", popovertarget: POPOVER },
    "Use another token",
  ),
  h(
    "div",
    {
      key: "popover",
      id: POPOVER,
      popover: "auto",
      class: "pop sign-in",
      role: "dialog",
      "aria-label": "Sign in again",
    },
    h(Form, { actions, hasFocus: false }),
  ),
];

/** @extends {Component<{ actions: Actions, hasFocus: boolean }, {}>} */
class Form extends Component {
  constructor() {
    super();
    /** @type {HTMLElement | null} */
    this.field = null;
  }

  componentDidMount() {
    if (this.props.hasFocus) this.field?.focus();
  }

  render() {
    return h(
      "form",
      { onSubmit: (/** @type {SubmitEvent} */ event) => this.submit(event) },
      h("p", { class: "note" }, "Paste a token that you were given. It stays in this browser tab."),
      h(
        "label",
        null,
        h("span", { class: "hidden" }, "Token"),
        h("textarea", {
          ref: (/** @type {HTMLElement | null} */ field) => {
            this.field = field;
          },
          name: "token",
          required: true,
          autofocus: true,
          autocomplete: "off",
          autocapitalize: "off",
          spellcheck: false,
          placeholder: "eyJhbGciOi…",
        }),
      ),
      h(
        "label",
        { class: "check" },
        h("input", { type: "checkbox", name: "keep" }),
        "Keep me signed in on this device",
      ),
      h("button", { class: "primary" }, "Show the numbers"),
    );
  }

  /** @param {SubmitEvent} event */
  submit(event) {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.currentTarget);
    const given = new FormData(form);
    form.reset();
    document.getElementById(POPOVER)?.hidePopover();
    this.props.actions.signIn(String(given.get("token")), given.has("keep"));
  }
}
