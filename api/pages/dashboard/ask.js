/**
 * Asks the API: every question is one part of a batch, and a batch has one generation.
 *
 * Ids are texts (`ids=text`), because JavaScript rounds whole numbers beyond 2^53.
 *
 * @import { Answer, Ask, Generation, Metric } from "./types.js"
 */

import { addressOf } from "./address.js";

export const PREFIX = "api/v1/messenger/analytics";
const ASKS_MAX = 32;
// The API limits the query of a batch to 8,000 bytes; the rest is for what is beside the asks.
const QUERY_CHARACTERS_MAX = 7800;

/** The API has refused a request, or was not reached. */
export class Refused extends Error {
  /**
   * @param {number} status 0 = it was not reached
   * @param {string} detail
   * @param {{ reason?: string, retryAfter?: number | null }} [more] retryAfter: seconds
   */
  constructor(status, detail, { reason = "", retryAfter = null } = {}) {
    super(detail);
    this.name = "Refused";
    this.status = status;
    this.reason = reason;
    this.retryAfter = retryAfter;
  }
}

/**
 * What follows the prefix of the API in the URL of an ask; equal asks have equal keys.
 *
 * @param {Ask} ask
 */
export function keyOf({ path, parameters }) {
  const given = Object.entries({ ...parameters, ids: "text" }).filter(([, value]) => value !== "");
  return `${path}?${new URLSearchParams(given.sort(([a], [b]) => (a < b ? -1 : 1)))}`;
}

/**
 * The generation that serves.
 *
 * @param {string} token
 * @param {AbortSignal} signal
 * @returns {Promise<Generation>}
 * @throws {Refused}
 */
export const askGeneration = (token, signal) => get("/generation", token, signal);

/**
 * What every number means.
 *
 * @param {string} token
 * @param {AbortSignal} signal
 * @returns {Promise<{ metrics: Metric[] }>}
 * @throws {Refused}
 */
export const askCatalog = (token, signal) => get("/catalog", token, signal);

/**
 * The answers to these keys, by key, all of one generation.
 *
 * @param {Iterable<string>} keys
 * @param {number} generation
 * @param {string} token
 * @param {AbortSignal} signal
 * @returns {Promise<Map<string, Answer>>}
 * @throws {Refused} none is answered; 410: the generation is gone
 */
export async function askAll(keys, generation, token, signal) {
  const batches = inBatches([...keys]);
  const answered = await Promise.all(
    batches.map((batch) => {
      const query = new URLSearchParams({ generation: String(generation) });
      for (const key of batch) query.append("ask", key);
      return get(`/batch?${query}`, token, signal);
    }),
  );
  return new Map(
    batches.flatMap((batch, i) => batch.map((key, j) => [key, answered[i].answers[j]])),
  );
}

/**
 * Keys in as few batches as the limits of the API allow.
 *
 * @param {string[]} keys
 * @returns {string[][]}
 */
export function inBatches(keys) {
  /** @type {string[][]} */
  const batches = [];
  let free = 0;
  for (const key of keys) {
    const length = "&ask=".length + new URLSearchParams({ "": key }).toString().length;
    if (batches.length === 0 || length > free || batches[batches.length - 1].length === ASKS_MAX) {
      batches.push([]);
      free = QUERY_CHARACTERS_MAX;
    }
    batches[batches.length - 1].push(key);
    free -= length;
  }
  return batches;
}

/**
 * One request.
 *
 * @param {string} path behind the prefix of the API
 * @param {string} token
 * @param {AbortSignal} signal
 * @param {RequestInit} [more] method, headers and body
 * @returns {Promise<any>} the body; null if there is none
 * @throws {Refused}
 */
export async function get(path, token, signal, more = {}) {
  const headers = { ...more.headers, Authorization: `Bearer ${token}` };
  const address = addressOf(PREFIX + path);
  let response;
  try {
    response = await fetch(address, { ...more, headers, signal, cache: "no-store" });
  } catch (error) {
    if (signal.aborted) throw error;
    throw new Refused(0, "The server cannot be reached.");
  }
  if (!response.ok) throw await refusalOfResponse(response, signal);
  const body = bodyOf(await textOf(response, signal));
  if (body === undefined) throw new Refused(response.status, answered(response));
  return body;
}

/**
 * Why a request was refused.
 *
 * @param {Response} response
 * @param {AbortSignal} signal
 */
export async function refusalOfResponse(response, signal) {
  const body = bodyOf(await textOf(response, signal));
  const retryAfter = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
  return new Refused(response.status, body?.detail ?? answered(response), {
    reason: body?.reason,
    retryAfter: Number.isNaN(retryAfter) ? null : retryAfter,
  });
}

/** @param {Response} response */
const answered = ({ status }) => `The server answered ${status}.`;

/**
 * The text of a response, which may break off.
 *
 * @param {Response} response
 * @param {AbortSignal} signal
 */
async function textOf(response, signal) {
  try {
    return await response.text();
  } catch (error) {
    if (signal.aborted) throw error;
    throw new Refused(0, "The answer broke off.");
  }
}

/** A body; undefined where it is no JSON, as that of a proxy. @param {string} text @returns {any} */
function bodyOf(text) {
  if (text === "") return null;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
