/**
 * Saves what a card shows: its table as CSV, its chart as SVG or PNG.
 *
 * A file leaves the page, so it says what it is of: the generation is in its name, and title, legend
 * and source are in the picture. An SVG has its colors in it, those of the current theme.
 *
 * @import { VNode } from "preact"
 * @import { Table } from "./types.js"
 */

import { svgText } from "./charts/svg_text.js";
import { csv } from "./csv.js";
import { render } from "./vendor/preact.js";

const PIXELS = 2; // of a PNG for each of the page: sharp in a document and on paper
const LONGEST_NAME = 80;
/** What of a computed style a drawing needs. */
const PROPERTIES = [
  "fill",
  "fill-opacity",
  "stroke",
  "stroke-width",
  "stroke-opacity",
  "stroke-dasharray",
  "stroke-linecap",
  "stroke-linejoin",
  "font-size",
  "font-weight",
];
const FONT = 'text{font-family:system-ui,-apple-system,"Segoe UI",Inter,"Noto Sans",sans-serif}';

/**
 * A name for a file: letters and digits, whatever people have called things, and an ending that we
 * choose, so that no name makes a program of a file.
 * @param {string} name
 * @param {number} generation
 * @param {"csv" | "svg" | "png"} ending
 */
export function fileName(name, generation, ending) {
  const plain = name
    .normalize("NFKC")
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, "_");
  const short = [...plain].slice(0, LONGEST_NAME).join("").replace(/^_|_$/g, "");
  return `${short || "table"}_generation-${generation}.${ending}`;
}

/**
 * A style sheet with the computed styles of a drawing's classes. It needs no other sheet and no
 * custom property, which a program that opens the file may not know.
 * @param {Iterable<Element>} elements of the drawing
 * @param {(element: Element) => Pick<CSSStyleDeclaration, "getPropertyValue">} styleOf
 */
export function styleSheetOf(elements, styleOf) {
  const rules = new Map();
  for (const element of elements) {
    const classes = element.getAttribute("class");
    if (classes === null) continue;
    const selector = `.${classes.trim().split(/\s+/).join(".")}`;
    const style = styleOf(element);
    const said = PROPERTIES.map((name) => `${name}:${style.getPropertyValue(name)}`);
    rules.set(selector, `${selector}{${said.join(";")}}`);
  }
  // A rule of fewer classes may match as well; the one that names all is more specific, and wins.
  return [FONT, ...rules.values()].join("\n");
}

/**
 * Save a table.
 * @param {Table} table
 * @param {string} name of the file
 */
export function saveCsv(table, name) {
  save(new Blob([csv(table)], { type: "text/csv;charset=utf-8" }), name);
}

/**
 * Save a drawing as SVG.
 * @param {VNode<any>} tree
 * @param {string} name of the file
 */
export function saveSvg(tree, name) {
  save(new Blob([sourceOf(tree)], { type: "image/svg+xml" }), name);
}

/**
 * Save a drawing as PNG.
 * @param {VNode<any>} tree
 * @param {string} name of the file
 */
export async function savePng(tree, name) {
  const url = URL.createObjectURL(new Blob([sourceOf(tree)], { type: "image/svg+xml" }));
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = image.width * PIXELS;
    canvas.height = image.height * PIXELS;
    canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
    const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
    if (blob !== null) save(blob, name);
  } finally {
    URL.revokeObjectURL(url);
  }
}

/**
 * The source of a drawing with the colors that it has in the page.
 * @param {VNode<any>} tree
 */
function sourceOf(tree) {
  const hidden = document.createElement("div");
  hidden.className = "hidden";
  document.body.append(hidden);
  try {
    render(tree, hidden);
    return svgText(tree, styleSheetOf(hidden.querySelectorAll("svg, svg *"), getComputedStyle));
  } finally {
    render(null, hidden);
    hidden.remove();
  }
}

/**
 * Hand a file to the browser.
 * @param {Blob} blob
 * @param {string} name
 */
function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // after the browser has read it
}
