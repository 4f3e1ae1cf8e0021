/** Icons, drawn as lines. */

import { h } from "./vendor/preact.js";

const PATHS = {
  calendar: "M5 6h14v14H5zM5 10h14M9 3v4M15 3v4",
  close: "M6 6l12 12M18 6 6 18",
  help: "M9.2 9.2a2.9 2.9 0 1 1 4.3 2.6c-1 .6-1.5 1.1-1.5 2.2M12 17.4v.1M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18",
  sign_out: "M15 4h4v16h-4M4 12h11M11 8l4 4-4 4",
  theme_dark: "M20 14.5A8.2 8.2 0 0 1 9.5 4a8.2 8.2 0 1 0 10.5 10.5",
  theme_light:
    "M12 3v2M12 19v2M3 12h2M19 12h2M5.6 5.6l1.4 1.4M17 17l1.4 1.4M5.6 18.4 7 17M17 7l1.4-1.4M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8",
  theme_system: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18M12 3v18M12 8l7.5-2.2M12 13l8.9-1M12 18l6-2",
};

/** @param {keyof typeof PATHS} name */
export const icon = (name) =>
  h(
    "svg",
    { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" },
    h("path", { d: PATHS[name] }),
  );
