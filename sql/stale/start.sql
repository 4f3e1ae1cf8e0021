-- Creates the empty lists of what is stale: days of conversations whose outcomes are; days of conversations and
-- readers whose reads are; who sent when in a conversation and did not before, or no longer; and days on which a
-- fact has changed by more than edits. The other files of this folder fill them.
create or replace temporary table temp.stale_outcomes (conversation_key integer, day date);

create or replace temporary table temp.stale_reads (day date, conversation_key integer, user_key integer);

create or replace temporary table temp.changed_senders (
    conversation_key integer,
    sender_key integer,
    created_at timestamp
);

create or replace temporary table temp.changed_days (fact varchar, day date);
