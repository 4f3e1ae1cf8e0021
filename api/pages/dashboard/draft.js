/**
 * A dashboard while it is edited: what can be done to it. Nothing is kept until it is saved.
 *
 * @import { Card, Choice, Draft, KeptCard, NewThing, State, Thing, Tile } from "./types.js"
 */

import { DEFAULTS } from "./state.js";

const NAME_LENGTH_MAX = 100;
/** What is open beside the page, and the reader's theme, are not saved. */
const NOT_KEPT = new Set(["user_id", "conversation_id", "theme", "dashboard"]);

/**
 * A thing to edit.
 *
 * @param {Pick<Thing, "name" | "is_shared" | "is_own"> & { cards?: KeptCard[] }} thing
 * @param {{ id: string, version: number, subject: string }} at version: 0 = it is not kept yet
 * @returns {Draft}
 */
export const draftOf = ({ name, is_shared, is_own, cards = [] }, { id, version, subject }) => ({
  id,
  version,
  subject,
  name: [...name].slice(0, NAME_LENGTH_MAX).join(""),
  is_shared,
  is_own,
  cards: withKeys(cards),
  is_dirty: version === 0,
  fault: "",
  theirs: undefined,
});

/**
 * Cards with keys: the id, with a number where a card is there already.
 *
 * @param {KeptCard[]} cards
 * @returns {Draft["cards"]}
 */
export function withKeys(cards) {
  const taken = new Set();
  return cards.map((card) => {
    const key = freeKey(card.card, taken);
    taken.add(key);
    return { ...card, key };
  });
}

/** @param {string} id @param {Set<string>} taken */
function freeKey(id, taken) {
  let number = 1;
  const key = () => (number === 1 ? id : `${id}-${number}`);
  while (taken.has(key())) number += 1;
  return key();
}

/**
 * The draft with a card at another place.
 *
 * @param {Draft} draft
 * @param {string} key
 * @param {number} to counted from 0, in the list without the card
 */
export function moved(draft, key, to) {
  const card = draft.cards.find((one) => one.key === key);
  if (card === undefined) return draft;
  const cards = draft.cards.filter((one) => one !== card);
  cards.splice(to, 0, card);
  return changed(draft, cards);
}

/** @param {Draft} draft @param {string} key @param {1 | 2 | 3} width */
export const resized = (draft, key, width) => withCard(draft, key, (card) => ({ ...card, width }));

/**
 * The draft with a card that has its own value of a parameter.
 *
 * @param {Draft} draft
 * @param {string} key
 * @param {string} name
 * @param {string | null} value null: that of the page
 */
export const adjusted = (draft, key, name, value) =>
  withCard(draft, key, (card) => {
    const { [name]: _, ...others } = card.parameters;
    return { ...card, parameters: value === null ? others : { ...others, [name]: value } };
  });

/** @param {Draft} draft @param {string} key */
export const removed = (draft, key) =>
  changed(
    draft,
    draft.cards.filter((card) => card.key !== key),
  );

/**
 * The draft with one more card at its end; the same draft if there is no other form of the card.
 *
 * @param {Draft} draft
 * @param {Pick<Card | Tile, "id"> & { width?: Card["width"] }} piece
 * @param {Choice[]} choices of the card
 */
export function added(draft, { id, width = 1 }, choices) {
  const parameters = freeParameters(draft, id, choices);
  if (parameters === undefined) return draft;
  const key = freeKey(id, new Set(draft.cards.map((card) => card.key)));
  return changed(draft, [...draft.cards, { key, card: id, width, parameters }]);
}

/**
 * Parameters with which a card is not in the draft; undefined: it is there with all.
 *
 * @param {Draft} draft
 * @param {string} id
 * @param {Choice[]} choices
 * @returns {Record<string, string> | undefined}
 */
export function freeParameters(draft, id, choices) {
  /** @type {Record<string, string>[]} */
  const forms = choices.flatMap(({ name, options }) =>
    options.map(({ value }) => ({ [name]: value })),
  );
  const taken = new Set(draft.cards.map(formOf));
  return [{}, ...forms].find((parameters) => !taken.has(formOf({ card: id, parameters })));
}

/** @param {Draft} draft @param {string} name */
export const renamed = (draft, name) => ({ ...draft, name, is_dirty: true, fault: "" });

/** @param {Draft} draft @param {boolean} isShared */
export const shared = (draft, isShared) => ({ ...draft, is_shared: isShared, is_dirty: true });

/**
 * Why a draft cannot be saved; "" = it can.
 *
 * @param {Draft} draft
 * @param {(id: string) => string} titleOf
 */
export function faultOf({ name, cards }, titleOf) {
  if (name.trim() === "") return "Give it a name.";
  if (cards.length === 0) return "Choose at least one card.";
  const forms = cards.map(formOf);
  const twice = cards.find((_, i) => forms.indexOf(forms[i]) !== i);
  return twice === undefined
    ? ""
    : `“${titleOf(twice.card)}” is there twice with the same choices.`;
}

/**
 * A draft as the API takes it.
 *
 * @param {Draft} draft
 * @param {State} state that of the page
 * @returns {NewThing}
 */
export const bodyOf = ({ name, is_shared, cards }, state) => ({
  kind: "dashboard",
  name: name.trim(),
  is_shared,
  state: keptState(state),
  cards: cards.map(({ card, width, parameters }) => ({ card, width, parameters })),
});

/**
 * The part of a state that is saved.
 *
 * @param {State} state
 * @returns {Record<string, string>}
 */
export const keptState = (state) =>
  Object.fromEntries(
    Object.entries(state).filter(
      ([name, value]) => !NOT_KEPT.has(name) && value !== DEFAULTS[/** @type {"days"} */ (name)],
    ),
  );

/**
 * What of a file is a thing: an export, or what the API gave.
 *
 * @param {string} text
 * @returns {NewThing | null} null: it is none
 */
export function thingOfFile(text) {
  try {
    const { kind, name, state = {}, cards } = JSON.parse(text);
    if (typeof name !== "string" || (kind !== "view" && kind !== "dashboard")) return null;
    return { kind, name, is_shared: false, state, ...(cards && { cards }) };
  } catch {
    return null;
  }
}

/** @param {Draft} draft @param {string} key @param {(card: Draft["cards"][0]) => Draft["cards"][0]} change */
const withCard = (draft, key, change) =>
  changed(
    draft,
    draft.cards.map((card) => (card.key === key ? change(card) : card)),
  );

/** @param {Draft} draft @param {Draft["cards"]} cards @returns {Draft} */
const changed = (draft, cards) => ({ ...draft, cards, is_dirty: true, fault: "" });

/** What tells two cards apart. @param {Pick<KeptCard, "card" | "parameters">} card */
const formOf = ({ card, parameters }) =>
  JSON.stringify([card, Object.entries(parameters).sort(([a], [b]) => (a < b ? -1 : 1))]);
