-- Creates the empty lists of what is stale: days of conversations whose outcomes are, and days on which messages
-- have other senders. The other files of this folder fill them; outcomes and days of reads are derived again.
create or replace temporary table temp.stale_outcomes (conversation_key integer, day date);

create or replace temporary table temp.changed_message_days (day date);
