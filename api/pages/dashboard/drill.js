/**
 * The drill-down: one person or one conversation, with its own link.
 *
 * @import { Answer, Card, State, View } from "./types.js"
 */

import { conversationName } from "./cards/words.js";
import { CONVERSATION } from "./drill/conversation.js";
import { PERSON } from "./drill/person.js";

/**
 * What the panel has, beginning with what tells whether there is such a person or conversation;
 * nothing if none is open.
 *
 * @param {View} view
 * @returns {Card[]}
 */
export function drillPieces({ state }) {
  if (state.user_id !== "") return PERSON;
  return state.conversation_id === "" ? [] : CONVERSATION;
}

/**
 * What the open person or conversation is called. The API gives names with other answers only, so a
 * person has one if any answer on the page names them.
 *
 * @param {State} state
 * @param {Iterable<Answer>} answers
 */
export function drillTitle(state, answers) {
  const bodies = [...answers].filter(({ status }) => status === 200).map(({ body }) => body);
  if (state.user_id === "") {
    const found = bodies.find(
      (body) => "participant_count" in body && body.conversation_id === state.conversation_id,
    );
    return found === undefined ? "Conversation" : conversationName(found);
  }
  const names = bodies.flatMap((body) => [
    ...(body.top_senders ?? []).map(nameOfSender),
    ...(body.responses ?? []).flatMap(namesOfResponse),
  ]);
  const name = names.find(([id]) => id === state.user_id)?.[1];
  if (name === undefined) return `Person ${state.user_id}`;
  return name ?? `Deleted account ${state.user_id}`;
}

/** @typedef {[string, string | null]} Named */

/** @param {{ user_id: string, username: string | null }} sender @returns {Named} */
const nameOfSender = ({ user_id: id, username }) => [id, username];

/**
 * @param {{ from_user_id: string, from_username: string | null, to_user_id: string, to_username: string | null }} response
 * @returns {Named[]}
 */
const namesOfResponse = (response) => [
  [response.from_user_id, response.from_username],
  [response.to_user_id, response.to_username],
];
