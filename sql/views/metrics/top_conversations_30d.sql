-- metrics.top_conversations_30d: Which conversations were the most active in the last 30 days.
-- grain: one row per conversation, the most messages first; the first hundred
-- The numbers are those of metrics.top_conversations_v1.
create or replace view metrics.top_conversations_30d as
select
    conversations.conversation_id, -- id at the source
    conversations.type, -- direct, group or channel
    conversations.title, -- title
    conversations.message_count, -- messages that are not deleted
    conversations.participant_count, -- people who wrote, system messages aside
    conversations.messages_per_day -- message_count divided by 30
from
    metrics.top_conversations_v1(
        since := core.data_through() - interval 30 days, top_n := 100
    ) as conversations;
