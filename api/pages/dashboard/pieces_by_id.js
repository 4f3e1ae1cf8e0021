/**
 * All pieces that a dashboard may have, by their ids.
 *
 * @import { Card, Choice, Tile, View } from "./types.js"
 */

import { OVERVIEW } from "./cards/index.js";
import { MORE } from "./cards/more.js";

export const PIECES = [...OVERVIEW, ...MORE];
const BY_ID = new Map(PIECES.map((piece) => [piece.id, piece]));

/** @param {string} id @returns {Card | Tile | null} null: this version does not know it */
export const pieceOf = (id) => BY_ID.get(id) ?? null;

/** @param {string} id */
export const titleOfPiece = (id) => pieceOf(id)?.title ?? id;

/**
 * The choices of a piece; a tile has none.
 *
 * @param {Card | Tile | null} piece
 * @param {View} view
 * @returns {Choice[]}
 */
export const choicesOf = (piece, view) =>
  piece?.kind === "card" ? (piece.choices?.(view) ?? []) : [];
