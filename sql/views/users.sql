-- main.users: People and bots, as they are now at the source.
-- grain: one row per user of the source
create or replace view main.users as
select
    user_id, -- id at the source
    username, -- name
    is_bot, -- whether the user is a program
    created_at, -- time of registration, UTC
    deleted_at, -- time the account was deleted, UTC; null = not deleted
    core.with_zone(created_at) as created_at_tz, -- created_at with its zone
    core.with_zone(deleted_at) as deleted_at_tz -- deleted_at with its zone
from core.dim_users
where in_source;
