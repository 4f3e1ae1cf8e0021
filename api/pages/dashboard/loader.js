/**
 * Loads what the state of the model wants: one load at a time, and what a refusal asks for.
 *
 * @import { Actions, Shown, State } from "./types.js"
 */

import { Refused } from "./ask.js";
import { changedKeys } from "./changed.js";
import { loadLater } from "./lazy.js";
import { load } from "./load.js";
import { afterAnswers, afterRefusal, isDue } from "./retry.js";
import { write } from "./state.js";
import { viewOf } from "./view.js";
import { newsOf } from "./words.js";

/** What changed glows so long, in milliseconds; as long as its animation. */
const GLOW_MS = 2000;

/** Whether a state shows more than the overview. @param {State} state */
const needsLater = ({ user_id, conversation_id, dashboard }) =>
  user_id !== "" || conversation_id !== "" || dashboard !== "";

/**
 * @param {ReturnType<typeof import("./model.js").createStore>} store
 * @param {Actions} actions
 * @param {(reason: string) => void} leave signs out
 */
export function createLoader(store, actions, leave) {
  let running = new AbortController();
  let failures = 0;
  /** Whether what is shown may not be of the generation that serves. */
  let isBehind = true;
  /** The generation that the stream has announced, until it is shown. @type {number | null} */
  let announced = null;
  let glow = 0;
  /** The token at whose end the API was asked whether it is the end. */
  let ended = "";

  /** Load what the state wants, and show it. */
  async function refresh({ is_newest = false } = {}) {
    const model = store.get();
    if (model.session === null) return;
    running.abort();
    const attempt = new AbortController();
    running = attempt;
    isBehind ||= is_newest;
    store.set({ is_loading: true });
    try {
      const show = (/** @type {Shown} */ shown) =>
        !attempt.signal.aborted && accept(shown, model.state);
      if (needsLater(model.state) && model.later === null) store.set({ later: await loadLater() });
      const { later, kept } = store.get();
      if (model.state.dashboard !== "" && kept === null && later !== null) {
        store.set({ kept: await later.askKept(model.session.token, attempt.signal) });
      }
      await load(store.get(), actions, attempt.signal, show, { is_newest: isBehind });
    } catch (error) {
      if (attempt.signal.aborted) return;
      store.set({ is_loading: false });
      if (!(error instanceof Refused)) throw error;
      refused(error);
      return;
    }
    if (attempt.signal.aborted) return;
    isBehind = false;
    store.set({ is_loading: false });
    catchUp();
  }

  /** @param {Shown} shown @param {State} asked */
  function accept(shown, asked) {
    const model = store.get();
    const at = { now: Date.now(), random: Math.random() };
    const trouble = shown.is_complete
      ? afterAnswers(shown.answers.values(), failures, at)
      : model.trouble;
    if (shown.is_complete) failures = trouble === null ? 0 : failures + 1;
    const changed = changedKeys(model.shown, shown);
    const news = newsOf(model.shown, shown, viewOf(model, shown, actions).format);
    if (write(asked) !== write(shown.state)) {
      history.replaceState(null, "", location.pathname + write(shown.state));
    }
    store.set({
      shown,
      state: shown.state,
      trouble,
      changed,
      now: at.now,
      said: news || model.said,
    });
    if (changed.size > 0) {
      clearTimeout(glow);
      glow = setTimeout(() => store.set({ changed: new Set() }), GLOW_MS);
    }
  }

  /** Do what a refusal asks for. @param {Refused} error */
  function refused({ status, message, reason, retryAfter }) {
    const refusal = { status, detail: message, reason, retry_after: retryAfter };
    const at = { now: Date.now(), random: Math.random() };
    const { step, trouble } = afterRefusal(refusal, failures, at);
    failures += 1;
    if (step === "sign_in") leave(message);
    else if (step === "newest") refresh({ is_newest: true });
    else store.set({ trouble, now: at.now });
  }

  /** Show the generation that was announced, unless it is shown or the tab is hidden. */
  function catchUp() {
    const { shown, is_loading } = store.get();
    if (announced === null || shown === null || is_loading || document.hidden) return;
    const isNew = announced !== shown.generation.generation;
    announced = null;
    if (isNew) refresh({ is_newest: true });
  }

  return {
    refresh,
    /** Ask again what was not answered, at once. */
    retry() {
      failures = 0;
      const { trouble } = store.get();
      refresh({ is_newest: trouble !== null && !trouble.is_partial });
    },
    /** Another generation serves. @param {number} generation */
    announce(generation) {
      announced = generation;
      catchUp();
    },
    /** The time has gone on, or the tab is looked at again. */
    tick() {
      const { trouble, is_online, is_loading, session } = store.get();
      const at = { now: Date.now(), is_online, is_hidden: document.hidden };
      if (session !== null && session.expires_at <= at.now && session.token !== ended) {
        ended = session.token; // the clock of this machine may be wrong: the API decides
        refresh({ is_newest: true });
        return;
      }
      if (!is_loading && isDue(trouble, at)) {
        refresh({ is_newest: trouble !== null && !trouble.is_partial });
      }
      catchUp();
    },
    /** Forget what is under way. */
    stop() {
      running.abort();
      failures = 0;
      isBehind = true;
      announced = null;
    },
  };
}
