/** Sums and maxima of rows. */

/** @param {(number | null)[]} values null counts as nothing */
export function sum(values) {
  let total = 0;
  for (const value of values) total += value ?? 0;
  return total;
}

/**
 * The row with the highest value, the first one of several.
 *
 * @template Row
 * @param {Row[]} rows at least one
 * @param {(row: Row) => number} numberOf
 */
export const highest = (rows, numberOf) =>
  rows.reduce((most, row) => (numberOf(row) > numberOf(most) ? row : most));
