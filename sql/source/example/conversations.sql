-- conversations: rooms of two, and groups.
-- grain: one row per room
select
    xmin as row_version,
    ctid as place,
    id as conversation_id,
    case when "isGroup" then 'group' else 'direct' end as conversation_type,
    name as title,
    "createdAt" at time zone 'UTC' as created_at
from app."Room"
