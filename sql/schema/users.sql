-- core.users: People and bots, and placeholders for ids that only facts mention.
-- grain: one row per user id ever seen
create table core.users (
    user_key integer not null,
    user_id bigint not null,
    username varchar,
    is_bot boolean,
    created_at timestamp,
    deleted_at timestamp,
    in_source boolean not null
);

comment on table core.users is 'People and bots, and placeholders for ids that only facts mention. Grain: one row per user id ever seen.';
comment on column core.users.user_key is 'integer key, given once and never reused';
comment on column core.users.user_id is 'id at the source; opaque';
comment on column core.users.username is 'name, as the source has it now';
comment on column core.users.is_bot is 'whether a program writes under this name';
comment on column core.users.created_at is 'registered, UTC';
comment on column core.users.deleted_at is 'account deleted, UTC; null = not';
comment on column core.users.in_source is 'false for a placeholder: the source has no such user (any more)';
