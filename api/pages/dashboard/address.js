/**
 * Addresses of the API and its pages. They are relative to this script, at page/DIGEST/page.js, and
 * not to the document: a proxy may serve that as `/chat`, without a slash at the end.
 */

/** @param {string} path below the root of the API */
export const addressOf = (path) => new URL(`../../${path}`, import.meta.url).href;
