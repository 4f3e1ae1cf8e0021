-- users: as in the right mapping; the declared type of the ids is wrong.
-- grain: one row per user
select
    xmin as row_version,
    id as user_id,
    username,
    id < 0 as is_bot,
    created_at at time zone 'UTC' as created_at,
    null::timestamptz as deleted_at
from users
