-- users: accounts of the forum; the system and other bots have negative ids.
-- grain: one row per user
select
    xmin as row_version,
    ctid as place,
    id as user_id,
    username,
    id < 0 as is_bot,
    created_at at time zone 'UTC' as created_at,
    null::timestamptz as deleted_at
from users
