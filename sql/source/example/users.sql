-- users: people and bots.
-- grain: one row per user
select
    xmin as row_version,
    ctid as place,
    id as user_id,
    "displayName" as username,
    "isBot" as is_bot,
    "createdAt" at time zone 'UTC' as created_at,
    "deletedAt" at time zone 'UTC' as deleted_at
from app."User"
