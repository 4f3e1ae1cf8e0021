/**
 * The statement that gives the numbers of an answer in the published file. Pure.
 *
 * @import { Ask, Generation, Metric } from "./types.js"
 */

/** What the API calls the parameters of a metric. */
const API_NAMES = /** @type {Record<string, string[]>} */ ({
  every: ["interval"],
  tz: ["tz"],
  for_conversation: ["conversation_id"],
  for_user: ["user_id", "user_id_filter"],
  for_type: ["type"],
  top_n: ["limit"],
  sort_by: ["sort_by"],
  include_bots: ["include_bots"],
});
const ID_KINDS = /** @type {Record<string, string>} */ ({
  for_conversation: "conversation",
  for_user: "user",
  visible_to: "user",
});
const IN_PATH = /^\/(user|conversation)\/([^/]+)/;

/**
 * The ask of these whose answer shows a metric; undefined if there is none.
 *
 * @param {Metric} metric
 * @param {Ask[]} asks
 */
export const askOf = (metric, asks) =>
  asks.find((ask) => metric.endpoints.some((endpoint) => matches(endpoint, ask.path)));

/**
 * The statement: what is the default is left out.
 *
 * @param {Metric} metric
 * @param {Ask} ask
 * @param {{ since?: string, until?: string }} body the answer, with its period
 * @param {string | null} viewer the id of the member who sees it; null = an administrator
 * @param {Generation["id_types"]} idTypes
 */
export function statementOf(metric, ask, body, viewer, idTypes) {
  const given = { ...ask.parameters, ...inPath(ask.path) };
  const values = metric.parameters.flatMap((declared) => {
    const [, name] = /** @type {RegExpExecArray} */ (/^(\w+)/.exec(declared));
    const value =
      name === "visible_to"
        ? viewer
        : name in body
          ? body[/** @type {"since"} */ (name)]
          : givenAs(name, given);
    if (value === undefined || value === null || value === "") return [];
    const written = literal(name, value, idTypes);
    return declared.endsWith(`:= ${written}`) ? [] : [`${name} := ${written}`];
  });
  return `from metrics.${metric.metric}(\n  ${values.join(",\n  ")}\n);`;
}

/** @param {string} name @param {Record<string, string>} given */
const givenAs = (name, given) =>
  (API_NAMES[name] ?? []).map((one) => given[one]).find((value) => value !== undefined);

/** @param {string} name @param {string} value @param {Generation["id_types"]} idTypes */
function literal(name, value, idTypes) {
  if (name === "since" || name === "until")
    return `timestamp '${value.replace("T", " ").replace("Z", "")}'`;
  if (["top_n", "include_bots"].includes(name)) return value;
  if (idTypes[ID_KINDS[name]] === "integer") return value;
  return `'${value.replaceAll("'", "''")}'`;
}

/** The id in a path, by the name of its parameter. @param {string} path */
function inPath(path) {
  const found = IN_PATH.exec(path);
  return found === null ? {} : { [`${found[1]}_id`]: decodeURIComponent(found[2]) };
}

/** Whether a path is that of an endpoint, such as `/user/{user_id}`. @param {string} endpoint @param {string} path */
function matches(endpoint, path) {
  const wanted = endpoint.split("/");
  const parts = path.split("/");
  return (
    wanted.length === parts.length &&
    wanted.every((part, i) => part === parts[i] || (part.startsWith("{") && parts[i] !== ""))
  );
}
