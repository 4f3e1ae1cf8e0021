-- metrics.read_through_now: How many members of each conversation have read its newest message.
-- grain: one row per conversation, the newest message first; the first hundred
-- The numbers are those of metrics.read_through_v1. An error where the source has no read marks.
create or replace view metrics.read_through_now as
select
    conversations.conversation_id, -- id at the source
    conversations.type, -- direct, group or channel
    conversations.title, -- title
    conversations.member_count, -- people present now
    conversations.read_count, -- of these, have read the newest message or wrote it
    conversations.read_share, -- read_count in percent of member_count
    conversations.newest_message_at, -- time of the newest message, UTC
    core.with_zone(conversations.newest_message_at) as newest_message_at_tz -- with its zone
from metrics.read_through_v1(top_n := 100) as conversations;
