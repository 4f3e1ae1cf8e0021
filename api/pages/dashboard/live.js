/**
 * The stream: one tab holds it for all tabs of the same person, and tells the others.
 *
 * The tab that gets the lock opens the stream; another one gets it when that tab is closed or hidden.
 * Without locks (a page without TLS) each tab has a stream of its own. While there is no stream the
 * page asks which generation serves, after pauses that grow.
 *
 * @import { Model, Session } from "./types.js"
 * @import { News } from "./news.js"
 */

import { addressOf } from "./address.js";
import { askGeneration, PREFIX, Refused, refusalOfResponse } from "./ask.js";
import { afterNews, atMinute, createReader, NOTHING_HEARD } from "./news.js";
import { pauseAfter } from "./retry.js";

/** A new tab asks the one that holds the stream what there is. */
const HELLO = "hello";
/** The server says something every 15 seconds. */
const SILENCE_MS = 45_000;
/** After a stream that ended in order, as the server has it. */
const AGAIN_SECONDS = 3;
/** All pages hear of a generation in the same moment, and ask within this time. */
const SPREAD_MS = 1000;
/** Drawing each second would keep a phone busy. */
const SHOW_MS = 3000;

/**
 * @param {ReturnType<typeof import("./model.js").createStore>} store
 * @param {(generation: number) => void} announce is called when a generation serves
 * @param {(reason: string) => void} leave signs out
 */
export function createLive(store, announce, leave) {
  /** Who listens; "" = nobody. */
  let listener = "";
  let stop = new AbortController();
  let known = NOTHING_HEARD;
  /** The newest generation of which was heard. @type {number | null} */
  let newest = null;
  let showing = 0;

  /** @param {News} news */
  function hear(news) {
    if (news.name === "generation") {
      const { generation } = news.data;
      const delay = newest === null ? 0 : SPREAD_MS * Math.random();
      if (generation !== newest) setTimeout(() => listener !== "" && announce(generation), delay);
      newest = generation;
    }
    known = afterNews(known, news);
    if (news.name !== "feed") show();
    else showing ||= setTimeout(show, SHOW_MS);
  }

  function show() {
    clearTimeout(showing);
    showing = 0;
    known = atMinute(known, Date.now());
    if (store.get().live !== known) store.set({ live: known });
  }

  /** @param {Session} session @param {AbortSignal} signal */
  function listen(session, signal) {
    const channel = new BroadcastChannel(listener);
    let isHolder = false;
    const tell = (/** @type {News} */ news) => {
      hear(news);
      channel.postMessage(news);
    };
    channel.onmessage = ({ data }) => {
      if (data !== HELLO) hear(data);
      else if (isHolder && newest !== null) {
        channel.postMessage({ name: "generation", data: { generation: newest } });
        if (known.minutes !== null) channel.postMessage({ name: "activity", data: known });
      }
    };
    channel.postMessage(HELLO);
    signal.addEventListener("abort", () => channel.close());
    alone(listener, signal, () => {
      isHolder = true;
      return holdStream(session, signal, tell, leave);
    });
  }

  setInterval(show, SHOW_MS);
  return {
    /** Begin or stop to listen, as the model wants it. @param {Model} model */
    follow({ session, shown, is_online: isOnline }) {
      if (listener === "" && session !== null && !shown?.is_complete) return; // numbers come first
      const isWanted = session !== null && isOnline && !document.hidden;
      const wanted = isWanted
        ? `${addressOf(PREFIX)} ${session.role} ${session.subject} ${session.expires_at}`
        : "";
      if (wanted === listener) return;
      stop.abort();
      if (session === null) {
        known = NOTHING_HEARD;
        newest = null;
      }
      listener = wanted;
      if (!isWanted) {
        hear({ name: "lost", data: null });
        return;
      }
      stop = new AbortController();
      listen(session, stop.signal);
    },
  };
}

/**
 * Do something while no other tab does it under the same name.
 *
 * @param {string} name
 * @param {AbortSignal} signal
 * @param {() => Promise<void>} action
 */
async function alone(name, signal, action) {
  if (navigator.locks === undefined) return action();
  try {
    await navigator.locks.request(name, { signal }, action);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/**
 * Listen until the signal: streams one after the other, and questions while there is none.
 *
 * @param {Session} session
 * @param {AbortSignal} signal
 * @param {(news: News) => void} tell
 * @param {(reason: string) => void} leave
 */
async function holdStream({ token }, signal, tell, leave) {
  let failures = 0;
  while (!signal.aborted) {
    let seconds = AGAIN_SECONDS;
    try {
      await readStream(token, signal, tell);
      failures = 0;
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Refused)) throw error;
      if (error.status === 401) return leave(error.message);
      tell({ name: "lost", data: null });
      seconds = Math.max(error.retryAfter ?? 0, pauseAfter(failures, Math.random()));
      failures += 1;
      await askInstead(token, signal, tell);
    }
    await pause(1000 * seconds, signal);
  }
}

/**
 * Read one stream to its end.
 *
 * @param {string} token
 * @param {AbortSignal} signal
 * @param {(news: News) => void} tell
 * @throws {Refused}
 */
async function readStream(token, signal, tell) {
  const silence = new AbortController();
  const either = AbortSignal.any([signal, silence.signal]);
  const headers = { Authorization: `Bearer ${token}`, Accept: "text/event-stream" };
  let timer = setTimeout(() => silence.abort(), SILENCE_MS);
  let count = 0;
  try {
    const url = addressOf(`${PREFIX}/stream`);
    const response = await fetch(url, { headers, signal: either, cache: "no-store" });
    if (!response.ok || response.body === null) throw await refusalOfResponse(response, signal);
    const read = createReader();
    const pieces = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await pieces.read();
      if (done) break;
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), SILENCE_MS);
      for (const news of read(value)) {
        count += 1;
        tell(news);
      }
    }
  } catch (error) {
    if (error instanceof Refused || signal.aborted) throw error;
    count = 0;
  } finally {
    clearTimeout(timer);
  }
  if (count === 0) throw new Refused(0, "The stream broke off.");
}

/**
 * Ask which generation serves; without an answer nothing is known.
 *
 * @param {string} token
 * @param {AbortSignal} signal
 * @param {(news: News) => void} tell
 */
async function askInstead(token, signal, tell) {
  try {
    const { generation } = await askGeneration(token, signal);
    if (!signal.aborted) tell({ name: "generation", data: { generation } });
  } catch (error) {
    if (!(error instanceof Refused) && !signal.aborted) throw error;
  }
}

/** @param {number} ms @param {AbortSignal} signal @returns {Promise<void>} */
const pause = (ms, signal) =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
