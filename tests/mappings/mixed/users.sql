-- users: people and bots.
-- grain: one row per user
select
    xmin as row_version,
    ctid as place,
    id as user_id,
    "displayName" as username,
    not "isHuman" as is_bot,
    to_timestamp("createdAt" / 1000) as created_at,
    to_timestamp("deletedAt" / 1000) as deleted_at
from "Chat App"."User"
