-- main.conversations: Conversations, as they are now at the source.
-- grain: one row per conversation of the source
create or replace view main.conversations as
select
    conversation_id, -- id at the source
    conversation_type as type, -- direct, group or channel
    title, -- title
    created_at, -- time of creation, UTC
    core.with_zone(created_at) as created_at_tz -- created_at with its zone
from core.dim_conversations
where in_source;
