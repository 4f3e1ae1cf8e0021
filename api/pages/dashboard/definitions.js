/**
 * What the `?` of a number tells: its definition, its rules, and the statement that gives it in the
 * published file.
 *
 * @import { Actions, Card, Metric, Model, Shown, Tile, View } from "./types.js"
 */

import { keyOf } from "./ask.js";
import { askOf, statementOf } from "./statement.js";
import { h } from "./vendor/preact.js";

/**
 * The definitions of all metrics that a piece shows.
 *
 * @param {Card | Tile} piece
 * @param {View} view
 * @param {Shown} shown
 * @param {Model["catalog"] & {}} catalog
 * @param {Actions} actions
 */
export const definitions = (piece, view, shown, catalog, actions) =>
  catalog.metrics
    .filter((metric) => metric.is_newest && piece.metrics.includes(metric.metric))
    .map((metric) => metricTree(metric, piece, view, shown, actions));

/**
 * @param {Metric} metric
 * @param {Card | Tile} piece
 * @param {View} view
 * @param {Shown} shown
 * @param {Actions} actions
 */
function metricTree(metric, piece, view, shown, actions) {
  const { format, generation, zone, role, subject } = view;
  const ask = askOf(metric, Object.values(piece.asks(view)));
  const body = ask === undefined ? undefined : shown.answers.get(keyOf(ask))?.body;
  const viewer = role === "admin" ? null : subject;
  const statement =
    ask === undefined || body === undefined
      ? metric.statement
      : statementOf(metric, ask, body, viewer, generation.id_types);
  return h(
    "div",
    { key: metric.metric, class: "definition" },
    h("h3", null, metric.definition),
    h("p", null, metric.rules),
    h(
      "dl",
      null,
      ...pairOf("metric", `${metric.metric}_v${metric.version} · ${metric.fingerprint}`),
      ...(body?.since === undefined
        ? []
        : pairOf(
            "period",
            `${format.instant(body.since)} – ${format.instant(body.until)}, ${zone}`,
          )),
      ...pairOf(
        "generation",
        `${generation.generation}, as of ${format.instant(generation.data_through)}`,
      ),
      ...pairOf(
        "proved",
        generation.proved_at === null ? "not yet" : `since ${format.instant(generation.proved_at)}`,
      ),
    ),
    h("p", null, "The same numbers in the published file:"),
    h("pre", { tabIndex: 0 }, statement),
    h(
      "button",
      {
        type: "button",
        class: "tool",
        onClick: async () => {
          await navigator.clipboard.writeText(statement);
          actions.say("The statement is copied.");
        },
      },
      "Copy",
    ),
  );
}

/** @param {string} name @param {string} value */
const pairOf = (name, value) => [
  h("dt", { key: name }, name),
  h("dd", { key: `${name} value` }, value),
];
