/**
 * The page as a function of the model.
 *
 * @import { Actions, Model, Shown, View } from "./types.js"
 */

import { absent } from "./absent.js";
import { addressOf } from "./address.js";
import { header } from "./header.js";
import { pageItems } from "./layout.js";
import { notices } from "./notices.js";
import { piecesTree } from "./pieces.js";
import { reportHead } from "./report.js";
import { Component, h } from "./vendor/preact.js";
import { questionOf, viewOf } from "./view.js";

/** What changes of the model no card shows: it changes most often. */
const NOT_IN_CARDS = new Set([
  "now",
  "said",
  "is_loading",
  "trouble",
  "is_online",
  "state",
  "has_keys",
  "draft",
]);

/**
 * @param {Model} model
 * @param {Actions} actions
 */
export function page(model, actions) {
  const { session, shown } = model;
  const view = shown === null ? null : viewOf(model, shown, actions);
  return [
    h("a", { key: "skip", class: "skip", href: "#main" }, "Skip to the numbers"),
    header(model, view, actions),
    h(
      "main",
      { key: "main", id: "main", tabIndex: -1, "aria-busy": String(model.is_loading) },
      h("p", { key: "said", class: "hidden", role: "status" }, model.said),
      view !== null && reportHead(view),
      session !== null && notices(model, view, actions),
      view !== null && model.later?.dashboardHead(model, view, actions),
      view === null || shown === null
        ? absent(model, actions)
        : h(
            "div",
            { key: "pieces", class: isOld(model, shown) ? "pieces is-old" : "pieces" },
            h(Pieces, { view, shown, model, actions }),
          ),
    ),
    shown !== null && model.later?.drillPanel(model, shown, actions),
    h(
      "footer",
      { key: "footer" },
      "Every number here comes from one published generation, and says how it is defined. ",
      h("a", { href: addressOf("docs") }, "API"),
    ),
  ];
}

/** Whether what is shown is not what the controls say. @param {Model} model @param {Shown} shown */
const isOld = ({ state }, shown) => questionOf(state) !== questionOf(shown.state);

/**
 * The cards, which are drawn again only if something changes that a card shows.
 *
 * @typedef {{ view: View, shown: Shown, model: Model, actions: Actions }} Props
 * @extends {Component<Props, {}>}
 */
class Pieces extends Component {
  /** @param {Props} next */
  shouldComponentUpdate({ model }) {
    const names = /** @type {(keyof Model)[]} */ (Object.keys(model));
    const before = this.props.model;
    return (
      model.draft?.cards !== before.draft?.cards ||
      names.some((name) => !NOT_IN_CARDS.has(name) && model[name] !== before[name])
    );
  }

  render() {
    const { view, shown, model, actions } = this.props;
    return piecesTree(pageItems(view), view, shown, model, actions);
  }
}
