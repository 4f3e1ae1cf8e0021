/**
 * A drawing as the source text of an SVG file, which stands alone: for exports and for tests.
 *
 * A browser is not needed. Only elements that draw are written, so no file holds a script or a link,
 * whatever its texts are.
 *
 * @import { VNode } from "preact"
 * @import { Tree } from "../types.js"
 */

const NAMESPACE = "http://www.w3.org/2000/svg";
const DRAWING = new Set(["svg", "g", "path", "rect", "line", "circle", "text", "title"]);
/** @type {Record<string, string>} */
const ESCAPES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
// What no XML file may contain, not even escaped: control characters and halves of characters.
const UNWRITABLE = /[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu;

/**
 * The source of an SVG file.
 * @param {VNode<any>} tree an `svg` element
 * @param {string} styleSheet for its classes
 */
export function svgText(tree, styleSheet) {
  const { children, ...attributes } = tree.props;
  const style = `<style>${escaped(styleSheet)}</style>`;
  return `<svg xmlns="${NAMESPACE}"${attributesText(attributes)}>${style}${source(children)}</svg>`;
}

/**
 * @param {Tree} node
 * @returns {string}
 */
function source(node) {
  if (node === null || node === undefined || typeof node === "boolean") return "";
  if (typeof node === "string" || typeof node === "number") return escaped(String(node));
  if ("length" in node) return node.map(source).join("");
  const { type, props } = node;
  if (typeof type !== "string" || !DRAWING.has(type)) {
    throw new TypeError(`${String(type)} is no element of a drawing`);
  }
  const { children, ...attributes } = props;
  const content = source(children);
  const start = `<${type}${attributesText(attributes)}`;
  return content === "" ? `${start}/>` : `${start}>${content}</${type}>`;
}

/** @param {Record<string, unknown>} attributes */
function attributesText(attributes) {
  return Object.entries(attributes)
    .filter(([name, value]) => !name.startsWith("on") && value !== null && value !== undefined)
    .map(([name, value]) => ` ${name}="${escaped(String(value))}"`)
    .join("");
}

/** @param {string} text */
function escaped(text) {
  return text.replace(UNWRITABLE, "").replace(/[&<>"]/g, (sign) => ESCAPES[sign]);
}
