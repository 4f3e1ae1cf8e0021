/**
 * Dashboards and views: what a dashboard shows, the menu of all, and the head of the one that is open.
 *
 * @import { Actions, Draft, Item, KeptCard, Model, State, Template, Thing, Tree, View } from "./types.js"
 */

import { draftOf, keptState, thingOfFile, withKeys } from "./draft.js";
import { editor } from "./editor.js";
import { create, newId, remove } from "./kept.js";
import { pageItems } from "./layout.js";
import { pieceOf } from "./pieces_by_id.js";
import { DEFAULTS, read, write } from "./state.js";
import { h } from "./vendor/preact.js";
import { isFor } from "./view.js";

/** Longer than any dashboard that the API takes. */
const FILE_BYTES_MAX = 100_000;

/**
 * The items of the dashboard that is open: of its draft while it is edited. A card that is not for
 * the viewer is left out; one that this version does not know is shown as such.
 *
 * @param {View} view
 * @returns {Item[]}
 */
export function dashboardItems(view) {
  const cards = draftHere(view)?.cards ?? withKeys(openThing(view)?.cards ?? []);
  return cards.flatMap(({ key, card, width, parameters }) => {
    const piece = pieceOf(card);
    return piece === null || isFor(piece, view)
      ? [{ piece, id: card, key, width, parameters }]
      : [];
  });
}

/**
 * The name of what is open, for the button of the menu.
 *
 * @param {Model} model
 */
export const dashboardName = (model) =>
  (draftHere(model) ?? openThing(model))?.name ?? (model.kept === null ? "" : "Not found");

/** The thing that the state names. @param {Pick<Model, "kept" | "state">} of @returns {Thing | Template | undefined} */
function openThing({ kept, state }) {
  const all = [...(kept?.things ?? []), ...(kept?.templates ?? [])];
  return all.find(({ id, kind }) => id === state.dashboard && kind === "dashboard");
}

/** The draft, if what is open is edited. @param {Pick<Model, "draft" | "state">} of @returns {Draft | null} */
const draftHere = ({ draft, state }) => (draft?.id === state.dashboard ? draft : null);

/** Whether a thing is kept, by the viewer or by others, and no template. @param {Thing | Template} thing @returns {thing is Thing} */
const isKept = (thing) => "version" in thing;

/**
 * What is above the cards: the editor, or the owner of the dashboard and the buttons for it.
 *
 * @param {Model} model
 * @param {View} view
 * @param {Actions} actions
 * @returns {Tree}
 */
export function dashboardHead(model, view, actions) {
  if (draftHere(model) !== null) return editor(model, view, actions);
  const thing = openThing(model);
  const fault = model.kept?.fault ?? "";
  return [
    fault !== "" && h("p", { key: "fault", class: "problem", role: "alert" }, fault),
    model.draft !== null && unsaved(model.draft, actions),
    model.state.dashboard !== "" &&
      model.kept !== null &&
      (thing === undefined ? notFound(actions) : head(thing, model, actions)),
  ];
}

/** @param {Draft} draft @param {Actions} actions */
const unsaved = ({ id, name }, actions) =>
  h(
    "div",
    { key: "unsaved", class: "notice empty", role: "status" },
    h("p", null, `Your changes of “${name}” are not saved yet.`),
    button("Go on", () => actions.change({ dashboard: id })),
    button("Discard them", () => actions.edit({ draft: null })),
  );

/** @param {Actions} actions */
const notFound = (actions) =>
  h(
    "div",
    { key: "not-found", class: "notice empty", role: "alert" },
    h("p", null, "There is no such dashboard, or you may not see it."),
    button("Show the overview", () => actions.change({ dashboard: "" })),
  );

/** @param {Thing | Template} thing @param {Model} model @param {Actions} actions */
function head(thing, model, actions) {
  const isAdmin = model.session?.role === "admin";
  const mayChange = isKept(thing) && (thing.is_own || (isAdmin && thing.is_shared));
  return h(
    "section",
    { key: "head", class: "dashboard-head", "aria-labelledby": "dashboard-name" },
    h("h2", { id: "dashboard-name" }, thing.name),
    h("span", { class: "scope" }, ownerInWords(thing)),
    h(
      "div",
      { class: "tools" },
      mayChange && button("Edit", () => edit(thing, model, actions)),
      button("Use as mine", () => copy(thing, model, actions)),
      button("Export", () => exportFile(thing, actions)),
      mayChange && confirmed("Delete", thing, () => erase(thing, actions)),
    ),
  );
}

/** @param {Thing | Template} thing */
function ownerInWords(thing) {
  if (!isKept(thing)) return "template";
  if (!thing.is_own) return "shared with you";
  return thing.is_shared ? "yours, shared" : "yours";
}

/** @param {Thing} thing @param {Model} model @param {Actions} actions */
function edit(thing, { session }, actions) {
  const at = { id: thing.id, version: thing.version, subject: session?.subject ?? "" };
  actions.edit({ draft: draftOf(thing, at) });
}

/** Edit a copy, which is not kept before it is saved. @param {Pick<Thing, "name"> & { cards?: KeptCard[] }} thing @param {Model} model @param {Actions} actions */
function copy(thing, { session }, actions) {
  const at = { id: newId(), version: 0, subject: session?.subject ?? "" };
  const draft = draftOf({ ...thing, is_shared: false, is_own: true }, at);
  actions.edit({ draft });
  actions.change({ dashboard: at.id });
}

/** @param {Thing} thing @param {Actions} actions */
async function erase(thing, actions) {
  if ((await remove(thing, actions)) === undefined) return;
  actions.say(`“${thing.name}” is deleted.`);
  if (actions.model().state.dashboard === thing.id) actions.change({ dashboard: "" });
}

/** A file of the form in which templates are, too. @param {Thing | Template} thing @param {Actions} actions */
function exportFile({ kind, name, state, cards }, actions) {
  const text = `${JSON.stringify({ kind, name, state, cards }, null, 2)}\n`;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  link.download = `${name.replace(/[^\p{L}\p{N}]+/gu, "_").replace(/^_|_$/g, "") || kind}.json`;
  link.click();
  URL.revokeObjectURL(link.href);
  actions.say(`Saved ${link.download}.`);
}

/**
 * The menu of all dashboards and views.
 *
 * @param {Model} model
 * @param {View | null} view
 * @param {Actions} actions
 * @returns {Tree}
 */
export function dashboardMenu(model, view, actions) {
  const { kept } = model;
  if (kept === null) return h("div", { class: "wait" });
  const own = kept.things.filter((thing) => thing.is_own);
  const others = kept.things.filter((thing) => !thing.is_own);
  return h(
    "div",
    { class: "dashboards" },
    kept.fault !== "" && h("p", { key: "fault", class: "problem", role: "alert" }, kept.fault),
    h(
      "ul",
      { key: "overview" },
      entry({ id: "", kind: "dashboard", name: "Overview" }, model, actions),
    ),
    list("Yours", own, model, actions),
    list("Shared with you", others, model, actions),
    list("Templates", kept.templates.filter(isNoOverview), model, actions),
    h(
      "form",
      {
        key: "keep",
        class: "keep-view",
        onSubmit: (/** @type {SubmitEvent} */ event) => keepView(event, actions),
      },
      h(
        "label",
        { class: "select" },
        h("span", { class: "hidden" }, "Name of the view"),
        h("input", {
          name: "name",
          required: true,
          maxLength: 100,
          placeholder: "Name of this view",
          autocomplete: "off",
        }),
      ),
      h("button", { class: "tool" }, "Save view"),
    ),
    h(
      "div",
      { key: "more", class: "tools" },
      view !== null &&
        button("New dashboard", (event) => {
          closeMenu(event);
          copy({ name: "My dashboard", cards: cardsOf(view) }, model, actions);
        }),
      h(
        "label",
        { class: "tool import" },
        h("input", {
          type: "file",
          class: "hidden",
          accept: ".json,application/json",
          onChange: (/** @type {Event} */ event) => importFile(event, actions),
        }),
        "Import …",
      ),
    ),
  );
}

/** The overview itself is always there. @param {{ id: string }} template */
const isNoOverview = ({ id }) => id !== "overview";

/** What the page shows, as cards. @param {View} view */
const cardsOf = (view) =>
  pageItems(view).map(({ id, width, parameters }) => ({
    card: id,
    width,
    parameters: /** @type {Record<string, string>} */ (parameters),
  }));

/** @param {string} title @param {(Thing | Template)[]} things @param {Model} model @param {Actions} actions */
const list = (title, things, model, actions) =>
  things.length > 0 && [
    h("h2", { key: title }, title),
    h(
      "ul",
      { key: `${title} list` },
      things.map((thing) => entry(thing, model, actions)),
    ),
  ];

/** @param {(Thing | Template) | { id: string, kind: "dashboard", name: string }} thing @param {Model} model @param {Actions} actions */
function entry(thing, { state }, actions) {
  const { id, kind, name } = thing;
  const kept = "state" in thing ? thing.state : keptState(state);
  const wanted = usable({ ...kept, theme: state.theme, dashboard: kind === "view" ? "" : id });
  const isOpen = kind === "dashboard" && state.dashboard === id;
  return h(
    "li",
    { key: id },
    h(
      "a",
      {
        href: write(wanted) || "?",
        ...(isOpen && { "aria-current": "page" }),
        onClick: (/** @type {MouseEvent} */ event) => {
          if (event.ctrlKey || event.metaKey || event.shiftKey) return;
          event.preventDefault();
          closeMenu(event);
          actions.change(wanted);
        },
      },
      name,
    ),
    kind === "view" && h("span", { class: "scope" }, "view"),
    kind === "view" &&
      "version" in thing &&
      thing.is_own &&
      confirmed("Delete", thing, () => erase(thing, actions)),
  );
}

/** @param {SubmitEvent} event @param {Actions} actions */
async function keepView(event, actions) {
  event.preventDefault();
  const form = /** @type {HTMLFormElement} */ (event.currentTarget);
  const name = String(new FormData(form).get("name"));
  const { state } = actions.model();
  const made = await create(
    { kind: "view", name, is_shared: false, state: keptState(state) },
    actions,
  );
  if (made === undefined) return;
  form.reset();
  actions.say(`“${made.name}” is saved.`);
}

/** @param {Event} event @param {Actions} actions */
async function importFile(event, actions) {
  const field = /** @type {HTMLInputElement} */ (event.currentTarget);
  const file = field.files?.[0];
  if (file === undefined) return;
  const thing = file.size > FILE_BYTES_MAX ? null : thingOfFile(await file.text());
  field.value = "";
  if (thing === null) {
    const { kept } = actions.model();
    const fault = `${file.name} is no dashboard or view: export one to see the form.`;
    if (kept !== null) actions.edit({ kept: { ...kept, fault } });
    return;
  }
  const made = await create(thing, actions);
  if (made === undefined) return;
  /** @type {HTMLElement | null} */ (field.closest("[popover]"))?.hidePopover();
  const dashboard = made.kind === "dashboard" ? made.id : "";
  actions.change(usable({ ...made.state, theme: actions.model().state.theme, dashboard }));
  actions.say(`“${made.name}” is imported.`);
}

/** The state of these parameters; what this version cannot use is the default. @param {Partial<State>} given */
const usable = (given) => read(write({ ...DEFAULTS, ...given }));

/** Close the popover of what was pressed. @param {Event} event */
function closeMenu(event) {
  const menu = /** @type {HTMLElement} */ (event.currentTarget).closest("[popover]");
  /** @type {HTMLElement | null} */ (menu)?.hidePopover();
}

/** @param {string} words @param {(event: MouseEvent) => void} onClick */
const button = (words, onClick) =>
  h("button", { key: words, type: "button", class: "tool", onClick }, words);

/**
 * A button that asks before it does what cannot be undone.
 *
 * @param {string} words
 * @param {Thing} thing
 * @param {() => void} action
 */
function confirmed(words, { id, name }, action) {
  const popover = `delete-${id}`;
  return [
    h(
      "button",
      {
        key: words,
        type: "button",
        class: "tool",
        popovertarget: popover,
        "aria-label": `${words} “${name}”`,
      },
      words,
    ),
    h(
      "div",
      {
        key: popover,
        id: popover,
        popover: "auto",
        class: "pop ask",
        role: "dialog",
        "aria-label": `${words} “${name}”?`,
      },
      h("p", null, `${words} “${name}”? This cannot be undone.`),
      h(
        "div",
        { class: "tools" },
        h(
          "button",
          { type: "button", class: "tool", popovertarget: popover, popovertargetaction: "hide" },
          "Keep it",
        ),
        button(words, (event) => {
          closeMenu(event);
          action();
        }),
      ),
    ),
  ];
}
