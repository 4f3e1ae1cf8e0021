-- users: People and bots, as the source has them now.
-- grain: one row per user of the source
create or replace view main.users as
select
    user_id,
    username,
    is_bot,
    created_at,
    deleted_at
from core.users
where in_source;

comment on view main.users is 'People and bots, as the source has them now. Grain: one row per user of the source.';
comment on column main.users.user_id is 'id at the source';
comment on column main.users.username is 'name';
comment on column main.users.is_bot is 'whether a program writes under this name';
comment on column main.users.created_at is 'registered, UTC';
comment on column main.users.deleted_at is 'account deleted, UTC; null = not';
