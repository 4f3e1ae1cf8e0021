/**
 * The frame of a card: its title, its tools, and its content as a chart or as a table.
 *
 * @import { Actions, Answer, Card, Choice, Content, Item, Model, Shown, View } from "./types.js"
 */

import { keyOf } from "./ask.js";
import { Chart } from "./chart.js";
import { explanation } from "./explain.js";
import { saveMenu } from "./save_menu.js";
import { tableTree } from "./table.js";
import { h } from "./vendor/preact.js";
import { asksOf, withParameters } from "./view.js";

/**
 * A card with its answers; grey until they are there.
 *
 * @param {Item & { piece: Card }} item
 * @param {View} view of the page
 * @param {Shown} shown
 * @param {Model} model
 * @param {Actions} actions
 */
export function cardTree(item, view, shown, model, actions) {
  const { piece, width } = item;
  const own = withParameters(view, item.parameters);
  const found = answersOf(item, view, shown);
  const content = found.bodies === null ? null : piece.content(found.bodies, own);
  const isTable = model.tables.has(item.key) && content?.table !== undefined;
  return h(
    "section",
    {
      key: item.key,
      class: `card width-${width}${glowOf(item, view, model)}`,
      "aria-labelledby": `title-${item.key}`,
    },
    h(
      "header",
      { class: "card-head" },
      h("h2", { id: `title-${item.key}` }, piece.title),
      explanation(item, own, shown, model, actions),
      h(
        "div",
        { class: "tools" },
        (piece.choices?.(own) ?? [])
          .filter(({ name }) => !(name in item.parameters)) // the dashboard has chosen
          .map((choice) => choiceTree(choice, view)),
        content?.table !== undefined && tableButton(item, isTable, actions),
        content?.table !== undefined &&
          !content.is_passing &&
          saveMenu(item, content, own, model, actions),
      ),
    ),
    found.failed !== null
      ? failure(found.failed, actions)
      : content === null
        ? h("div", { class: "wait wait-chart" })
        : contentTree(piece, content, isTable, actions),
  );
}

/**
 * The bodies of an item's answers by the names of its asks.
 *
 * @param {Item} item
 * @param {View} view
 * @param {Shown} shown
 * @returns {{ bodies: Record<string, any> | null, failed: Answer | null }} bodies: null until all are
 *   there
 */
export function answersOf(item, view, shown) {
  const asks = Object.entries(asksOf(item, view));
  const answers = asks.map(([, ask]) => shown.answers.get(keyOf(ask)));
  const failed = answers.find((answer) => answer !== undefined && answer.status !== 200) ?? null;
  const isThere = failed === null && answers.every((answer) => answer !== undefined);
  return {
    bodies: isThere ? Object.fromEntries(asks.map(([name], i) => [name, answers[i]?.body])) : null,
    failed,
  };
}

/** @param {Card} piece @param {Content} content @param {boolean} isTable @param {Actions} actions */
function contentTree(piece, content, isTable, actions) {
  if (content.empty !== undefined) return h("p", { class: "empty" }, content.empty);
  const { note, legend, sentence, chart, body, table } = content;
  if (isTable && table !== undefined) return tableTree(piece.title, table);
  return [
    note !== undefined && h("p", { key: "note", class: "note" }, note),
    legend !== undefined &&
      h(
        "ul",
        { key: "legend", class: "legend" },
        legend.map(({ className, label }) =>
          h("li", { key: className }, h("i", { class: className, "aria-hidden": "true" }), label),
        ),
      ),
    chart !== undefined &&
      h(Chart, { key: "chart", title: piece.title, draw: chart, table, say: actions.say }),
    body,
    chart === undefined &&
      sentence !== undefined &&
      h("p", { key: "said", class: "hidden" }, sentence),
  ];
}

/** @param {Item} item @param {boolean} isTable @param {Actions} actions */
const tableButton = (item, isTable, actions) =>
  h(
    "button",
    {
      type: "button",
      class: "tool",
      "aria-pressed": String(isTable),
      onClick: () => actions.toggleTable(item.key),
    },
    "Table",
  );

/** @param {Choice} choice @param {View} view */
const choiceTree = ({ label, name, value, options }, view) =>
  h(
    "div",
    { key: name, class: "choice", role: "group", "aria-label": label },
    options.map((option) =>
      h(
        "button",
        {
          key: option.value,
          type: "button",
          class: "tool",
          "aria-pressed": String(option.value === value),
          // The only option of a choice is on or off.
          onClick: () =>
            view.change({ [name]: options.length === 1 && value !== "" ? "" : option.value }),
        },
        option.label,
      ),
    ),
  );

/** Why a card has no content. @param {Answer} answer @param {Actions} actions */
const failure = ({ status, body }, actions) =>
  h(
    "div",
    { class: "failed" },
    h("p", null, faultOf(status, body)),
    ![400, 403, 404].includes(status) &&
      h("button", { type: "button", class: "tool", onClick: actions.retry }, "Try again"),
  );

/** Why there is no answer, in words. @param {number} status @param {{ detail?: string } | null} body */
export const faultOf = (status, body) => body?.detail ?? `There is no answer (status ${status}).`;

/**
 * The class of what a new generation has just changed.
 *
 * @param {Item} item
 * @param {View} view
 * @param {Model} model
 */
export function glowOf(item, view, { changed }) {
  if (changed.size === 0) return "";
  return Object.values(asksOf(item, view)).some((ask) => changed.has(keyOf(ask))) ? " is-new" : "";
}
