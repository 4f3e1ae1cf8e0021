-- users: people and bots.
-- grain: one row per user
select
    xmin as row_version,
    ctid as place,
    id as user_id,
    username,
    is_bot,
    created_at,
    deleted_at
from users
