-- conversations: direct conversations, groups and channels.
-- grain: one row per conversation
select
    xmin as row_version,
    ctid as place,
    id as conversation_id,
    type as conversation_type,
    title,
    created_at
from conversations
