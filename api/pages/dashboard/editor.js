/**
 * The editor of a dashboard: its name, and its cards in order, with their widths and choices. The
 * page below shows what they make, at once.
 *
 * Everything works with buttons; the grip is for a pointer besides.
 *
 * @import { Actions, Card, Draft, Model, Thing, Tile, Tree, View } from "./types.js"
 */

import {
  added,
  adjusted,
  draftOf,
  faultOf,
  freeParameters,
  moved,
  removed,
  renamed,
  resized,
  shared,
} from "./draft.js";
import { newId, save } from "./kept.js";
import { choicesOf, PIECES, pieceOf, titleOfPiece } from "./pieces_by_id.js";
import { Component, h } from "./vendor/preact.js";
import { isFor, withParameters } from "./view.js";

const WIDTHS = /** @type {const} */ ([
  { width: 1, label: "third" },
  { width: 2, label: "half" },
  { width: 3, label: "full" },
]);

/**
 * @param {Model} model whose draft is what is open
 * @param {View} view
 * @param {Actions} actions
 * @returns {Tree}
 */
export const editor = (model, view, actions) =>
  model.draft !== null && h(Editor, { key: "editor", draft: model.draft, model, view, actions });

/**
 * A component, because the focus must go on when a card is removed, and a pointer may hold one.
 *
 * @typedef {{ draft: Draft, model: Model, view: View, actions: Actions }} Props
 * @typedef {{ key: string, to: number }} Held the card, and where it would be put down
 * @extends {Component<Props, { held: Held | null }>}
 */
class Editor extends Component {
  constructor() {
    super();
    this.state = { held: null };
    /** The card that gets the focus after the next drawing. @type {string | null} */
    this.next = null;
    /** @type {HTMLElement | null} */
    this.root = null;
    this.warn = (/** @type {BeforeUnloadEvent} */ event) => {
      if (this.props.draft.is_dirty) event.preventDefault();
    };
  }

  componentDidMount() {
    addEventListener("beforeunload", this.warn);
    this.root?.querySelector("input")?.focus();
  }

  componentDidUpdate() {
    if (this.next === null) return;
    const key = this.next;
    this.next = null;
    const row = [...(this.root?.querySelectorAll("li") ?? [])].find(
      (one) => one.dataset.key === key,
    );
    const button = row?.querySelector("[name=remove]") ?? this.root?.querySelector("summary");
    /** @type {HTMLElement | null | undefined} */ (button)?.focus();
  }

  componentWillUnmount() {
    removeEventListener("beforeunload", this.warn);
    document.getElementById("main")?.focus();
  }

  render() {
    const { draft, model, view } = this.props;
    const isAdmin = model.session?.role === "admin";
    return h(
      "section",
      {
        class: "editor card",
        "aria-label": "Edit the dashboard",
        ref: (/** @type {HTMLElement | null} */ root) => {
          this.root = root;
        },
      },
      h(
        "div",
        { key: "head", class: "editor-head" },
        h(
          "label",
          { class: "field" },
          "Name",
          h("input", {
            value: draft.name,
            maxLength: 100,
            autocomplete: "off",
            onInput: (/** @type {any} */ event) =>
              this.put(renamed(draft, event.currentTarget.value)),
          }),
        ),
        isAdmin &&
          draft.is_own &&
          h(
            "label",
            { class: "check" },
            h("input", {
              type: "checkbox",
              checked: draft.is_shared,
              onChange: (/** @type {any} */ event) =>
                this.put(shared(draft, event.currentTarget.checked)),
            }),
            "Shared with everybody",
          ),
        h(
          "div",
          { class: "tools" },
          tool("cancel", "Cancel", () => this.cancel()),
          h(
            "button",
            { key: "save", type: "button", class: "primary", onClick: () => this.save() },
            "Save dashboard",
          ),
        ),
      ),
      draft.theirs === undefined
        ? draft.fault !== "" &&
            h("p", { key: "fault", class: "problem", role: "alert" }, draft.fault)
        : this.conflict(draft.theirs),
      h(
        "ol",
        { key: "cards", class: "rows" },
        draft.cards.map((card, place) => this.row(card, place)),
      ),
      h(
        "details",
        { key: "add", class: "adding" },
        h("summary", null, "Add a card"),
        h(
          "ul",
          { class: "choose" },
          PIECES.filter((piece) => isFor(piece, view)).map((piece) => this.addition(piece)),
        ),
      ),
      h(
        "p",
        { key: "note", class: "note" },
        "Period, comparison, zone and bots are saved as the page shows them now.",
      ),
    );
  }

  /** @param {Draft["cards"][0]} card @param {number} place counted from 0 */
  row({ key, card, width, parameters }, place) {
    const { draft, view } = this.props;
    const piece = pieceOf(card);
    const { held } = this.state;
    const title = titleOfPiece(card);
    const own = withParameters(view, parameters);
    return h(
      "li",
      { key, "data-key": key, class: rowClass(key, held, draft) },
      h(
        "span",
        {
          class: "grip",
          "aria-hidden": "true",
          onPointerDown: (/** @type {PointerEvent} */ event) => this.hold(event, key),
        },
        "⠿",
      ),
      h(
        "span",
        { class: "row-title" },
        title,
        piece === null
          ? h("small", null, " This version does not know it.")
          : !isFor(piece, view) && h("small", null, " Not for you, or not kept by this messenger."),
      ),
      h(
        "span",
        { class: "tools" },
        choicesOf(piece, own).map((choice) => this.parameter(key, title, choice, parameters)),
        piece?.kind === "card" &&
          h(
            "span",
            { class: "choice", role: "group", "aria-label": `Width of ${title}` },
            WIDTHS.map((one) =>
              tool(
                `width-${one.width}`,
                one.label,
                () => this.change(resized(draft, key, one.width), `${title}: ${one.label} width.`),
                {
                  "aria-pressed": String(width === one.width),
                },
              ),
            ),
          ),
        tool("up", "↑", () => this.move(key, place - 1), { "aria-label": `Move ${title} up` }),
        tool("down", "↓", () => this.move(key, place + 1), { "aria-label": `Move ${title} down` }),
        tool("remove", "×", () => this.remove(key, place), { "aria-label": `Remove ${title}` }),
      ),
    );
  }

  /** A choice of a card: its own value, or that of the page. @param {string} key @param {string} title @param {import("./types.js").Choice} choice @param {Record<string, string>} parameters */
  parameter(key, title, { label, name, options }, parameters) {
    const { draft } = this.props;
    const [only] = options;
    const all =
      options.length > 1
        ? options
        : [
            { value: only.value, label: `with ${only.label}` },
            { value: "", label: `without ${only.label}` },
          ];
    return h(
      "label",
      { key: name, class: "select" },
      h("span", { class: "hidden" }, `${label} of ${title}`),
      h(
        "select",
        {
          value: name in parameters ? `=${parameters[name]}` : "",
          onChange: (/** @type {any} */ event) => {
            const { value } = event.currentTarget;
            this.put(adjusted(draft, key, name, value === "" ? null : value.slice(1)), true);
          },
        },
        h("option", { value: "" }, "as the page"),
        all.map(({ value, label }) => h("option", { key: value, value: `=${value}` }, label)),
      ),
    );
  }

  /** @param {Card | Tile} piece */
  addition(piece) {
    const { draft, view } = this.props;
    const choices = choicesOf(piece, view);
    const isFree = freeParameters(draft, piece.id, choices) !== undefined;
    return (
      isFree &&
      h(
        "li",
        { key: piece.id },
        tool("add", `+ ${piece.title}`, () =>
          this.change(
            added(draft, piece, choices),
            `${piece.title} is added, as number ${draft.cards.length + 1}.`,
          ),
        ),
      )
    );
  }

  /** What to do where somebody has changed the thing meanwhile. @param {Thing | null} theirs null: it was removed */
  conflict(theirs) {
    const { draft, actions, model } = this.props;
    return h(
      "div",
      { key: "conflict", class: "notice", role: "alert" },
      h(
        "p",
        null,
        theirs === null
          ? "Somebody has deleted this dashboard, or stopped sharing it. Yours is still here."
          : `Somebody has changed this dashboard meanwhile: it is “${theirs.name}” with ${theirs.cards?.length ?? 0} cards now. Yours is still here.`,
      ),
      theirs !== null &&
        tool("mine", "Replace it by mine", () => {
          this.put({ ...draft, version: theirs.version, theirs: undefined });
          this.save();
        }),
      theirs !== null &&
        tool("theirs", "Take theirs", () => {
          this.put(draftOf(theirs, { ...draft, version: theirs.version }), true);
          actions.say("This is what they made of it.");
        }),
      tool("copy", "Save mine as a copy", () => {
        const id = newId();
        const subject = model.session?.subject ?? "";
        const copy = draftOf(
          { ...draft, is_shared: false, is_own: true },
          { id, version: 0, subject },
        );
        this.put({ ...copy, cards: draft.cards });
        actions.change({ dashboard: id });
        this.save();
      }),
    );
  }

  /** @param {Draft} draft @param {boolean} [isAsked] whether there is more to ask for */
  put(draft, isAsked = false) {
    this.props.actions.edit({ draft }, isAsked);
  }

  /** @param {Draft} draft @param {string} words what has happened */
  change(draft, words) {
    this.put(draft, true);
    this.props.actions.say(words);
  }

  /** @param {string} key @param {number} to counted from 0 */
  move(key, to) {
    const { draft, actions } = this.props;
    const from = draft.cards.findIndex((one) => one.key === key);
    const title = titleOfPiece(draft.cards[from].card);
    if (to < 0 || to >= draft.cards.length) {
      actions.say(`${title} is the ${to < 0 ? "first" : "last"} already.`);
      return;
    }
    this.change(moved(draft, key, to), `${title} is number ${to + 1} of ${draft.cards.length}.`);
  }

  /** @param {string} key @param {number} place */
  remove(key, place) {
    const { draft } = this.props;
    const rest = draft.cards.filter((one) => one.key !== key);
    this.next = rest[Math.min(place, rest.length - 1)]?.key ?? "";
    this.change(removed(draft, key), `${titleOfPiece(draft.cards[place].card)} is removed.`);
  }

  cancel() {
    const { draft, actions } = this.props;
    actions.edit({ draft: null });
    if (draft.version === 0) actions.change({ dashboard: "" });
  }

  async save() {
    const { actions } = this.props;
    const { draft } = actions.model();
    if (draft === null) return;
    const fault = faultOf(draft, titleOfPiece);
    if (fault !== "") {
      this.put({ ...draft, fault });
      return;
    }
    const thing = await save(actions);
    if (thing === null) return;
    actions.edit({ draft: null });
    actions.say(`“${thing.name}” is saved.`);
  }

  /** Take a card with a pointer, and put it down where a line shows. @param {PointerEvent} event @param {string} key */
  hold(event, key) {
    if (event.button !== 0) return;
    event.preventDefault();
    const stop = new AbortController();
    const { signal } = stop;
    const follow = (/** @type {PointerEvent} */ at) =>
      this.setState({ held: { key, to: this.placeAt(at.clientY, key) } });
    const end = (/** @type {boolean} */ isDropped) => {
      stop.abort();
      const held = /** @type {Held | null} */ (this.state.held);
      this.setState({ held: null });
      const { draft } = this.props;
      const from = draft.cards.findIndex((one) => one.key === key);
      if (isDropped && held !== null && held.to !== from) this.move(key, held.to);
    };
    // The row may be drawn elsewhere meanwhile: the window hears the pointer in any case.
    addEventListener("pointermove", follow, { signal });
    addEventListener("pointerup", () => end(true), { signal });
    addEventListener("pointercancel", () => end(false), { signal });
    addEventListener("keydown", (pressed) => pressed.key === "Escape" && end(false), { signal });
    follow(event);
  }

  /** Where a card is put down, in the list without it. @param {number} y @param {string} key */
  placeAt(y, key) {
    const others = [...(this.root?.querySelectorAll("li[data-key]") ?? [])].filter(
      (row) => /** @type {HTMLElement} */ (row).dataset.key !== key,
    );
    const below = others.findIndex((row) => {
      const { top, height } = row.getBoundingClientRect();
      return y < top + height / 2;
    });
    return below === -1 ? others.length : below;
  }
}

/** @param {string} key @param {Held | null} held @param {Draft} draft */
function rowClass(key, held, draft) {
  if (held === null) return "";
  if (held.key === key) return "is-held";
  const others = draft.cards.filter((one) => one.key !== held.key);
  const at = others.findIndex((one) => one.key === key);
  if (at === held.to) return "is-below";
  return at === others.length - 1 && held.to === others.length ? "is-above" : "";
}

/** @param {string} name @param {string} words @param {() => void} onClick @param {object} [more] */
const tool = (name, words, onClick, more = {}) =>
  h("button", { key: name, type: "button", name, class: "tool", onClick, ...more }, words);
