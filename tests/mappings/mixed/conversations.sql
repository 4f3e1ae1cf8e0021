-- conversations: direct conversations, groups and channels.
-- grain: one row per conversation
select
    xmin as row_version,
    ctid as place,
    id as conversation_id,
    kind as conversation_type,
    name as title,
    to_timestamp("createdAt" / 1000) as created_at
from "Chat App"."Room"
