/** Loads the second script and the second style sheet. */

import { Refused } from "./ask.js";

/** @type {Promise<typeof import("./later.js")> | null} */
let wanted = null;

/**
 * What the first view does not need; it is loaded once.
 *
 * @throws {Refused} it cannot be loaded now
 */
export function loadLater() {
  wanted ??= Promise.all([import("./later.js"), loadStyle()]).then(
    ([later]) => later,
    () => {
      wanted = null;
      throw new Refused(0, "A part of the page cannot be loaded.");
    },
  );
  return wanted;
}

/** The style sheet beside the script. @returns {Promise<unknown>} */
function loadStyle() {
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = new URL("later.css", import.meta.url).href;
  return new Promise((resolve, reject) => {
    link.addEventListener("load", resolve);
    link.addEventListener("error", () => {
      link.remove();
      reject();
    });
    document.head.append(link);
  });
}
