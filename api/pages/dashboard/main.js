/**
 * Starts the page: the model, what changes it, and drawing.
 *
 * @import { Actions, Model, State } from "./types.js"
 */

import { askCatalog, Refused } from "./ask.js";
import { untilTick } from "./clock.js";
import { areKeysOff, listenToKeys, rememberKeys } from "./keys.js";
import { loadLater } from "./lazy.js";
import { createLive } from "./live.js";
import { createLoader } from "./loader.js";
import { mark } from "./marks.js";
import { createStore, firstModel } from "./model.js";
import { page } from "./page.js";
import {
  endSession,
  isAboutSession,
  keepSession,
  keptSession,
  openSession,
  refusalOf,
  sessionOf,
  takeFragment,
} from "./session.js";
import { read, write } from "./state.js";
import { render } from "./vendor/preact.js";
import { titleOf } from "./words.js";

const root = /** @type {HTMLElement} */ (document.getElementById("page"));
const opened = openSession();
const store = createStore(
  {
    ...firstModel({
      session: opened.session,
      query: location.search,
      language: navigator.language,
      zone: Intl.DateTimeFormat().resolvedOptions().timeZone ?? "UTC",
      now: Date.now(),
    }),
    signed_out_reason: opened.reason,
    is_online: navigator.onLine,
    has_keys: !areKeysOff(),
  },
  draw,
);
let clock = 0;

/** @type {Actions} */
const actions = {
  signIn(token, isKept) {
    const session = sessionOf(token);
    const reason = refusalOf(session);
    if (session === null || reason !== "") {
      if (store.get().session === null) store.set({ signed_out_reason: reason });
      else actions.say(reason);
      return;
    }
    keepSession(session, isKept);
    loader.stop();
    const { session: before, shown } = store.get();
    const { draft } = store.get();
    const isSame = before?.subject === session.subject && before.role === session.role;
    store.set({
      session,
      signed_out_reason: "",
      trouble: null,
      shown: isSame ? shown : null,
      draft: draft?.subject === session.subject ? draft : null,
      now: Date.now(),
      said: "You are signed in.",
    });
    if (before === null) document.getElementById("main")?.focus();
    loader.refresh();
  },
  signOut() {
    leave("You are signed out.");
  },
  change(patch) {
    const state = Object.freeze({ ...store.get().state, ...patch });
    if (write(state) === write(store.get().state)) return;
    history.pushState(null, "", location.pathname + write(state));
    follow(state);
  },
  retry() {
    loader.retry();
  },
  toggleTable(key) {
    const tables = new Set(store.get().tables);
    if (!tables.delete(key)) tables.add(key);
    store.set({ tables });
  },
  async wantCatalog() {
    const { catalog, session } = store.get();
    if (catalog !== null || session === null) return;
    store.set({ catalog_fault: "" });
    try {
      store.set({ catalog: await askCatalog(session.token, new AbortController().signal) });
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      store.set({ catalog_fault: error.message });
    }
  },
  async wantLater() {
    if (store.get().later !== null) return;
    try {
      store.set({ later: await loadLater() });
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      actions.say(error.message);
    }
  },
  async wantKept() {
    await actions.wantLater();
    await store.get().later?.listKept(actions);
  },
  edit(patch, isAsked = false) {
    store.set(patch);
    if (isAsked) loader.refresh();
  },
  model: store.get,
  setKeys(hasKeys) {
    rememberKeys(hasKeys);
    store.set({ has_keys: hasKeys });
  },
  say(words) {
    store.set({ said: words });
  },
};
const loader = createLoader(store, actions, leave);
const live = createLive(store, loader.announce, leave);

/** @param {Model} model */
function draw(model) {
  document.documentElement.dataset.theme = model.state.theme;
  document.title = titleOf(model);
  render(page(model, actions), root);
  mark(model);
  live.follow(model);
  clearTimeout(clock);
  clock = setTimeout(tick, untilTick(model, Date.now()));
}

/** The time has gone on. A hidden tab is not drawn. */
function tick() {
  live.follow(store.get());
  if (!document.hidden) store.set({ now: Date.now() });
  loader.tick();
}

/** Show another state. @param {Readonly<State>} state */
function follow(state) {
  if (write(state) === write(store.get().state)) return;
  store.set({ state });
  loader.refresh();
}

/** @param {string} reason */
function leave(reason) {
  loader.stop();
  endSession();
  store.set({
    session: null,
    shown: null,
    kept: null,
    trouble: null,
    is_loading: false,
    signed_out_reason: reason,
  });
}

addEventListener("popstate", () => follow(read(location.search)));
addEventListener("hashchange", () => {
  const token = takeFragment();
  if (token !== null) actions.signIn(token, false);
});
addEventListener("storage", (event) => {
  if (isAboutSession(event) && store.get().session !== null && keptSession() === null) {
    leave("You are signed out.");
  }
});
addEventListener("offline", () => store.set({ is_online: false }));
addEventListener("online", () => {
  store.set({ is_online: true });
  if (store.get().trouble !== null) loader.retry();
});
document.addEventListener("visibilitychange", tick);
listenToKeys(store.get, actions);
// The page may show another state than the address has: one that cannot be shown falls back.
history.replaceState(null, "", location.pathname + write(store.get().state));
// The API computes while the browser draws.
loader.refresh();
draw(store.get());
