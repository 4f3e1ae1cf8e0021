/**
 * The files that a card is saved as: its table as CSV, its chart as SVG or PNG.
 *
 * @import { Actions, Card, Content, Drawing, View } from "./types.js"
 */

import { poster } from "./charts/poster.js";
import { fileName, saveCsv, savePng, saveSvg } from "./save.js";
import { h } from "./vendor/preact.js";

const WIDTH = 900; // of a saved chart: readable across a page of paper

/** @typedef {{ ending: "csv" | "svg" | "png", save: (name: string) => void | Promise<void> }} Kind */

/**
 * A button for each kind of file.
 *
 * @param {Card} piece
 * @param {Content} content
 * @param {View} view
 * @param {Actions} actions
 */
export const saveButtons = (piece, content, view, actions) =>
  kindsOf(piece, content, view).map(({ ending, save }) => {
    const name = fileName(piece.id, view.generation.generation, ending);
    const run = async (/** @type {MouseEvent} */ event) => {
      const menu = /** @type {HTMLElement} */ (event.currentTarget).closest("[popover]");
      await save(name);
      /** @type {HTMLElement} */ (menu).hidePopover();
      actions.say(`Saved ${name}`);
    };
    return h(
      "button",
      { key: ending, type: "button", class: "tool", onClick: run },
      ending.toUpperCase(),
    );
  });

/**
 * The kinds of file that a card has.
 *
 * @param {Card} piece
 * @param {Content} content
 * @param {View} view
 * @returns {Kind[]}
 */
function kindsOf(piece, content, view) {
  const { table, chart } = content;
  /** @type {Kind[]} */
  const kinds = [];
  if (table !== undefined) kinds.push({ ending: "csv", save: (name) => saveCsv(table, name) });
  if (chart !== undefined) {
    const picture = () => posterOf(piece, content, chart, view);
    kinds.push({ ending: "svg", save: (name) => saveSvg(picture(), name) });
    kinds.push({ ending: "png", save: (name) => savePng(picture(), name) });
  }
  return kinds;
}

/**
 * The chart with title, legend and source.
 *
 * @param {Card} piece
 * @param {Content} content
 * @param {(width: number) => Drawing} chart
 * @param {View} view
 */
function posterOf(piece, { legend, note }, chart, { format, generation, zone }) {
  const through = format.instant(generation.data_through);
  const source = `Generation ${generation.generation}, data through ${through}, ${zone}.`;
  return poster({
    tree: chart(WIDTH).tree,
    width: WIDTH,
    title: piece.title,
    legend,
    notes: typeof note === "string" ? [note, source] : [source],
  });
}
