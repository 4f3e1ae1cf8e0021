/**
 * The tiles and cards of the overview, in their order. A new card is one file, and one line here or in
 * more.js.
 *
 * @import { Card, Tile } from "../types.js"
 */

import { activePeople } from "./active_people.js";
import { activePeopleOverTime } from "./active_people_over_time.js";
import { doNewPeopleStay } from "./do_new_people_stay.js";
import { engagement } from "./engagement.js";
import { events } from "./events.js";
import { medianReply } from "./median_reply.js";
import { messages } from "./messages.js";
import { messagesOverTime } from "./messages_over_time.js";
import { newAccounts } from "./new_accounts.js";
import { peopleWhoWrote } from "./people_who_wrote.js";
import { repliesAndReads } from "./replies_and_reads.js";
import { topConversations } from "./top_conversations.js";
import { topPeople } from "./top_people.js";
import { whatIsSent } from "./what_is_sent.js";
import { whenPeopleWrite } from "./when_people_write.js";
import { whoStays } from "./who_stays.js";

/** @type {(Card | Tile)[]} */
export const OVERVIEW = [
  messages,
  activePeople,
  peopleWhoWrote,
  engagement,
  newAccounts,
  medianReply,
  messagesOverTime,
  activePeopleOverTime,
  whenPeopleWrite,
  topPeople,
  topConversations,
  whoStays,
  doNewPeopleStay,
  whatIsSent,
  repliesAndReads,
  events,
];
