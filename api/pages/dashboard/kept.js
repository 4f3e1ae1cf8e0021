/**
 * What people keep, as the API has it: views and dashboards, and the templates.
 *
 * @import { Actions, Draft, Kept, NewThing, Thing } from "./types.js"
 */

import { get, Refused } from "./ask.js";
import { bodyOf } from "./draft.js";

/**
 * All things that the viewer sees.
 *
 * @param {string} token
 * @param {AbortSignal} signal
 * @returns {Promise<Kept>}
 * @throws {Refused}
 */
export async function askKept(token, signal) {
  const [own, shipped] = await Promise.all([
    get("/kept", token, signal),
    get("/kept/templates", token, signal),
  ]);
  return { things: own.things, templates: shipped.things, fault: "" };
}

/** List the things again, for the menu. @param {Actions} actions */
export async function listKept(actions) {
  await attempt(actions, async (token, signal) => {
    actions.edit({ kept: await askKept(token, signal) });
  });
}

/**
 * Keep a new thing; undefined: it was refused, and the menu says why.
 *
 * @param {NewThing} body
 * @param {Actions} actions
 * @returns {Promise<Thing | undefined>}
 */
export const create = (body, actions) =>
  attempt(actions, async (token, signal) => {
    const made = await put(newId(), body, { "If-None-Match": "*" }, token, signal);
    replace(actions, made);
    return made;
  });

/**
 * Remove a thing.
 *
 * @param {Thing} thing
 * @param {Actions} actions
 * @returns {Promise<boolean | undefined>} undefined: it was refused, and the menu says why
 */
export const remove = ({ id, version }, actions) =>
  attempt(actions, async (token, signal) => {
    const headers = { "If-Match": `"${version}"` };
    try {
      await get(`/kept/${id}`, token, signal, { method: "DELETE", headers });
    } catch (error) {
      if (!(error instanceof Refused && error.status === 412)) throw error;
      replace(actions, await get(`/kept/${id}`, token, signal));
      throw new Refused(412, "It was changed meanwhile. Look at it again before you delete it.");
    }
    replace(actions, null, id);
    return true;
  });

/**
 * Save the draft that is edited; where somebody has changed the thing meanwhile, the draft has what
 * they made of it.
 *
 * @param {Actions} actions
 * @returns {Promise<Thing | null>} null: it is not saved, and the draft says why
 */
export async function save(actions) {
  const { session, draft, state } = actions.model();
  if (session === null || draft === null) return null;
  const { signal } = new AbortController();
  const headers = conditionOf(draft);
  try {
    const thing = await put(draft.id, bodyOf(draft, state), headers, session.token, signal);
    replace(actions, thing);
    return thing;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    const isGone = error.status === 404;
    const theirs = error.status === 412 ? await current(draft, session.token, signal) : undefined;
    note(actions, { theirs: isGone ? null : theirs, fault: error.message });
    return null;
  }
}

/** What a draft may replace. @param {Draft} draft @returns {Record<string, string>} */
const conditionOf = ({ version }) =>
  version === 0 ? { "If-None-Match": "*" } : { "If-Match": `"${version}"` };

/** The thing as it is now; null: it was removed. @param {Draft} draft @param {string} token @param {AbortSignal} signal */
async function current({ id }, token, signal) {
  try {
    return /** @type {Thing} */ (await get(`/kept/${id}`, token, signal));
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return error.status === 404 ? null : undefined;
  }
}

/** @param {Actions} actions @param {Partial<Draft>} patch */
function note(actions, patch) {
  const { draft } = actions.model();
  if (draft !== null) actions.edit({ draft: { ...draft, ...patch } });
}

/**
 * What is known of a thing, in place of what was.
 *
 * @param {Actions} actions
 * @param {Thing | null} thing null: it is gone
 * @param {string} [id] of what is gone
 */
function replace(actions, thing, id = thing?.id) {
  const { kept } = actions.model();
  if (kept === null) return;
  const others = kept.things.filter((one) => one.id !== id);
  const things = thing === null ? others : [...others, thing].sort(inOrder);
  actions.edit({ kept: { ...kept, things, fault: "" } });
}

/** In the order of the API: the viewer's own first, then by name. @param {Thing} a @param {Thing} b */
const inOrder = (a, b) =>
  Number(b.is_own) - Number(a.is_own) || (a.name < b.name ? -1 : Number(a.name > b.name));

/** @param {string} id @param {NewThing} body @param {Record<string, string>} headers @param {string} token @param {AbortSignal} signal @returns {Promise<Thing>} */
const put = (id, body, headers, token, signal) =>
  get(`/kept/${id}`, token, signal, {
    method: "PUT",
    headers: { ...headers, "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });

/**
 * What a request gives; where it is refused, the menu says why.
 *
 * @template T
 * @param {Actions} actions
 * @param {(token: string, signal: AbortSignal) => Promise<T>} request
 * @returns {Promise<T | undefined>}
 */
async function attempt(actions, request) {
  try {
    return await request(actions.model().session?.token ?? "", new AbortController().signal);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    const { kept } = actions.model();
    actions.edit({ kept: { ...(kept ?? { things: [], templates: [] }), fault: error.message } });
    return undefined;
  }
}

/** A random uuid; `crypto.randomUUID` is missing where the page comes without TLS. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const digits = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
