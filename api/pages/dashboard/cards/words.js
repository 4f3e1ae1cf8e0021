/** The names of people and conversations, and the texts where all numbers are zero. */

export const NOBODY_WROTE = "Nobody wrote in this period.";

/**
 * @typedef {object} Titled
 * @property {string | null} title
 * @property {string | null} type
 */

/** @param {Titled} conversation */
export const conversationName = ({ title, type }) =>
  title ?? (type === "direct" ? "Direct conversation" : "Untitled");

/**
 * The API has no name of a deleted account.
 *
 * @param {string | null} username
 */
export const personName = (username) => username ?? "Deleted account";

/**
 * What the type of a conversation is called.
 *
 * @param {string | null} type null = none, or not known
 */
export const typeName = (type) => type ?? "no type";
