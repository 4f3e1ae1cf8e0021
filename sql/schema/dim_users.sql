-- core.dim_users: People and bots, and placeholders for ids that only facts mention.
-- grain: one row per user id ever seen
create table core.dim_users (
    user_key integer not null, -- integer key, assigned once and never reused
    user_id user_id_type not null, -- id at the source; opaque
    username varchar, -- name, as it is now at the source
    is_bot boolean, -- whether the user is a program
    created_at timestamp, -- time of registration, UTC
    deleted_at timestamp, -- time the account was deleted, UTC; null = not deleted
    in_source boolean not null -- false for a placeholder: the source has no such user, or no longer
);
