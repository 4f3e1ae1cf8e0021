/**
 * A tile: one number, its change, and how it came about.
 *
 * @import { Actions, Item, Model, Shown, Tile, TileValue, View } from "./types.js"
 */

import { answersOf, faultOf, glowOf } from "./card.js";
import { sparkline } from "./charts/sparkline.js";
import { explanation } from "./explain.js";
import { h } from "./vendor/preact.js";
import { withParameters } from "./view.js";

const SPARK_WIDTH = 240;
const SPARK_HEIGHT = 44;

/**
 * @param {Item & { piece: Tile }} item
 * @param {View} view
 * @param {Shown} shown
 * @param {Model} model
 * @param {Actions} actions
 */
export function tileTree(item, view, shown, model, actions) {
  const { piece } = item;
  const own = withParameters(view, item.parameters);
  const found = answersOf(item, view, shown);
  const value = found.bodies === null ? null : piece.value(found.bodies, own);
  return h(
    "section",
    {
      key: item.key,
      class: `card tile${glowOf(item, view, model)}`,
      "aria-labelledby": `title-${item.key}`,
    },
    h(
      "header",
      { class: "card-head" },
      h("h2", { id: `title-${item.key}` }, piece.title),
      explanation(item, own, shown, model, actions),
    ),
    found.failed !== null
      ? h("p", { class: "failed" }, faultOf(found.failed.status, found.failed.body))
      : value === null
        ? h("div", { class: "wait" })
        : valueTree(value, own),
  );
}

/** @param {TileValue} value @param {View} view */
function valueTree(value, view) {
  const { now, before, text, spark } = value;
  return [
    h("p", { key: "value", class: "value" }, text(now)),
    h("p", { key: "change", class: "change" }, changeTree(value, view)),
    spark !== undefined
      ? h("div", { key: "spark", class: "spark" }, sparkTree(spark))
      : before !== undefined && before !== null && now !== null
        ? pair(now, before)
        : null,
  ];
}

/** @param {TileValue} value @param {View} view */
function changeTree({ now, before, text, good, is_rate }, view) {
  if (before === undefined) return null;
  if (before === null) return "no earlier data";
  const change = view.format.change(now, before, { good, inPoints: is_rate === true });
  if (change === null) return null;
  return [h("b", { key: "words", class: change.tone }, change.words), ` from ${text(before)}`];
}

/** @param {NonNullable<TileValue["spark"]>} spark */
const sparkTree = ({ values, is_partial }) =>
  sparkline({ width: SPARK_WIDTH, height: SPARK_HEIGHT, values, isPartial: is_partial });

/** Now beside before. @param {number} now @param {number} before */
function pair(now, before) {
  const most = Math.max(now, before, Number.MIN_VALUE);
  return h(
    "div",
    { key: "pair", class: "pair", "aria-hidden": "true" },
    h("i", { class: "pair-now", style: { width: `${(100 * now) / most}%` } }),
    h("i", { class: "pair-before", style: { width: `${(100 * before) / most}%` } }),
  );
}
