-- Puts the staged users over the known ones; a new id gets the next key, for good.
-- grain: one row per user
update core.dim_users as users
set
    username = staged.username,
    is_bot = staged.is_bot,
    created_at = staged.created_at,
    deleted_at = staged.deleted_at,
    in_source = true
from staging.users as staged
where users.user_id = staged.user_id;

insert into core.dim_users by name
select
    (select coalesce(max(keyed.user_key), 0) from core.dim_users as keyed)
    + row_number() over (order by staged.created_at, staged.user_id) as user_key,
    staged.user_id,
    staged.username,
    staged.is_bot,
    staged.created_at,
    staged.deleted_at,
    true as in_source
from staging.users as staged
anti join core.dim_users as known on staged.user_id = known.user_id;
