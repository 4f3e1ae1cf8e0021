/**
 * The cards that are on other dashboards than the overview. They are in the second script.
 *
 * @import { Card, Tile } from "../types.js"
 */

import { activation } from "./activation.js";
import { concentration } from "./concentration.js";
import { conversationMix } from "./conversation_mix.js";
import { eventCounts } from "./event_counts.js";
import { membership } from "./membership.js";
import { myUnread } from "./my_unread.js";
import { reading } from "./reading.js";
import { replyTimesOverTime } from "./reply_times_over_time.js";
import { rightNow } from "./right_now.js";
import { whenPeopleAreActive } from "./when_people_are_active.js";

/** @type {(Card | Tile)[]} */
export const MORE = [
  whenPeopleAreActive,
  replyTimesOverTime,
  myUnread,
  reading,
  conversationMix,
  membership,
  activation,
  concentration,
  eventCounts,
  rightNow,
];
