/**
 * The panel of the drill-down: a dialog that comes from the right.
 *
 * @import { Actions, Model, Shown, Tree } from "./types.js"
 */

import { answersOf } from "./card.js";
import { drillTitle } from "./drill.js";
import { icon } from "./icon.js";
import { drillItems } from "./layout.js";
import { piecesTree } from "./pieces.js";
import { reportHead } from "./report.js";
import { Component, h } from "./vendor/preact.js";
import { viewOf } from "./view.js";

/** Of an answer about what does not exist, may not be seen, or cannot be an id. */
const MISSING = [400, 403, 404];

/**
 * The open person or conversation: at once, and filled when its answers are there.
 *
 * @param {Model} model
 * @param {Shown} shown
 * @param {Actions} actions
 * @returns {Tree}
 */
export function drillPanel(model, shown, actions) {
  const { user_id, conversation_id } = model.state;
  const open = user_id || conversation_id;
  if (open === "") return null;
  const state = { ...shown.state, user_id, conversation_id };
  const view = viewOf(model, { ...shown, state }, actions);
  const items = drillItems(view);
  const { failed } = answersOf(items[0], view, shown);
  const isMissing = failed !== null && MISSING.includes(failed.status);
  return h(
    Panel,
    {
      key: "panel",
      open,
      title: isMissing ? "Not found" : drillTitle(state, shown.answers.values()),
      said: model.said,
      leave: () => actions.change({ user_id: "", conversation_id: "" }),
    },
    isMissing
      ? h(
          "p",
          { class: "empty" },
          "There is no such person or conversation, or you may not see it.",
        )
      : [reportHead(view), piecesTree(items, view, shown, model, actions)],
  );
}

/**
 * @typedef {object} PanelProps
 * @property {string} open the id of what is open
 * @property {string} title
 * @property {string} said what was done last: all outside a modal dialog is silent
 * @property {() => void} leave
 * @property {Tree} [children]
 */

/** The dialog. The browser gives the focus back to what opened it. @extends {Component<PanelProps>} */
class Panel extends Component {
  constructor() {
    super();
    /** @type {HTMLDialogElement | null} */
    this.dialog = null;
    this.isLeaving = false;
  }

  componentDidMount() {
    this.dialog?.showModal();
  }

  /** @param {PanelProps} before */
  componentDidUpdate(before) {
    if (before.open === this.props.open) return;
    this.dialog?.scrollTo({ top: 0 });
    this.dialog?.querySelector("button")?.focus();
  }

  componentWillUnmount() {
    this.isLeaving = true;
    this.dialog?.close();
  }

  render() {
    const { title, said, leave, children } = this.props;
    return h(
      "dialog",
      {
        class: "panel",
        "aria-labelledby": "panel-title",
        ref: (/** @type {HTMLDialogElement | null} */ dialog) => {
          this.dialog = dialog;
        },
        onClick: (/** @type {MouseEvent} */ event) => {
          if (event.target === event.currentTarget) this.dialog?.close();
        },
        onClose: (/** @type {Event} */ event) => {
          if (event.target === event.currentTarget && !this.isLeaving) leave();
        },
      },
      h(
        "div",
        { class: "panel-body" },
        h("p", { class: "hidden", role: "status" }, said),
        h(
          "header",
          { class: "panel-head" },
          h("h2", { id: "panel-title" }, title),
          h(
            "button",
            {
              type: "button",
              class: "icon-button",
              "aria-label": "Close",
              onClick: () => this.dialog?.close(),
            },
            icon("close"),
          ),
        ),
        h("div", { class: "pieces" }, children),
      ),
    );
  }
}
