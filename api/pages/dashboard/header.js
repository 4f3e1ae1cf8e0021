/**
 * The header: whose numbers they are, what is shown, and how old it is.
 *
 * @import { Actions, Model, View } from "./types.js"
 */

import { addressOf } from "./address.js";
import { controls } from "./controls.js";
import { freshness } from "./freshness.js";
import { icon } from "./icon.js";
import { HELP } from "./keys.js";
import { popover } from "./popover.js";
import { h } from "./vendor/preact.js";

/** In the order in which the button goes through them. */
const THEMES = [
  { value: "", name: "as the system", icon: /** @type {const} */ ("theme_system") },
  { value: "light", name: "light", icon: /** @type {const} */ ("theme_light") },
  { value: "dark", name: "dark", icon: /** @type {const} */ ("theme_dark") },
];

/**
 * @param {Model} model
 * @param {View | null} view null before the first answer
 * @param {Actions} actions
 */
export const header = (model, view, actions) =>
  h(
    "header",
    { key: "header", class: "bar" },
    h(
      "h1",
      { key: "name" },
      h("img", { src: addressOf("favicon.svg"), alt: "", width: 24, height: 24 }),
      h("span", { class: "name" }, "Messenger analytics"),
      model.session !== null &&
        h(
          "span",
          { class: "scope" },
          model.session.role === "admin" ? "whole site" : "my conversations",
        ),
    ),
    model.session !== null && [dashboards(model, view, actions), controls(model, view, actions)],
    h(
      "div",
      { key: "status", class: "status" },
      view !== null && freshness(model, view, actions),
      themeButton(model, actions),
      model.session !== null && [help(model, actions), signOutButton(actions)],
    ),
  );

/** The button that names what is open, and the menu of all. @param {Model} model @param {View | null} view @param {Actions} actions */
const dashboards = (model, view, actions) =>
  h(
    "nav",
    { key: "dashboards", "aria-label": "Dashboards" },
    h(
      "button",
      { type: "button", class: "dates current", popovertarget: "dashboards" },
      h(
        "span",
        null,
        (model.state.dashboard && (model.later?.dashboardName(model) || "Dashboard")) || "Overview",
      ),
      " ▾",
    ),
    popover(
      { id: "dashboards", label: "Dashboards and views", className: "below" },
      model.later?.dashboardMenu(model, view, actions),
      actions.wantKept,
    ),
  );

/** @param {Model} model @param {Actions} actions */
function themeButton({ state }, actions) {
  const at = THEMES.findIndex((theme) => theme.value === state.theme);
  const next = THEMES[(at + 1) % THEMES.length];
  return h(
    "button",
    {
      key: "theme",
      type: "button",
      class: "icon-button",
      "aria-label": `Colors: ${THEMES[at].name}. Change to: ${next.name}`,
      title: `Colors: ${THEMES[at].name}`,
      onClick: () => {
        actions.change({ theme: next.value });
        actions.say(`Colors: ${next.name}.`);
      },
    },
    icon(THEMES[at].icon),
  );
}

/** @param {Model} model @param {Actions} actions */
const help = (model, actions) => [
  h(
    "button",
    {
      key: "help-button",
      type: "button",
      class: "icon-button",
      popovertarget: HELP,
      "aria-label": "Help",
    },
    icon("help"),
  ),
  popover(
    { id: HELP, label: "Help", className: "help" },
    model.later?.helpTree(model, actions),
    actions.wantLater,
  ),
];

/** @param {Actions} actions */
const signOutButton = (actions) =>
  h(
    "button",
    {
      key: "sign-out",
      type: "button",
      class: "icon-button",
      "aria-label": "Sign out",
      title: "Sign out",
      onClick: actions.signOut,
    },
    icon("sign_out"),
  );
