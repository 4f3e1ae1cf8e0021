/**
 * A popover: a button opens it, and its content comes with the second script.
 *
 * @import { Tree } from "./types.js"
 */

import { h } from "./vendor/preact.js";

const MARGIN = 8;

/**
 * @param {{ id: string, label: string, className?: string }} what
 * @param {Tree} content null until it can be made
 * @param {() => void} want asks for what the content needs
 */
export const popover = ({ id, label, className = "" }, content, want) =>
  h(
    "div",
    {
      key: id,
      id,
      popover: "auto",
      class: `pop ${className}`,
      role: "dialog",
      "aria-label": label,
      onBeforeToggle: (/** @type {ToggleEvent} */ event) => {
        if (event.newState === "open") want();
        placeBelow(event);
      },
    },
    content ?? h("div", { class: "wait" }),
  );

/**
 * Tell the style sheet where the button is of a popover that is about to open. It is in the top
 * layer, whose places are those of the window.
 *
 * @param {ToggleEvent} event `beforetoggle`
 */
export function placeBelow(event) {
  if (event.newState !== "open") return;
  const element = /** @type {HTMLElement} */ (event.currentTarget);
  const button = document.querySelector(`[popovertarget="${element.id}"]`);
  if (button === null) return;
  const { bottom, left } = button.getBoundingClientRect();
  element.style.setProperty("--below-top", `${bottom + MARGIN}px`);
  element.style.setProperty("--below-left", `${left}px`);
}
