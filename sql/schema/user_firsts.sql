-- core.user_firsts: When somebody wrote or read for the first time.
-- grain: one row per user who ever did
-- Deleted and system messages do not count. Who is new in a period, and which cohort somebody belongs to, is a
-- lookup here instead of a search in all of core.user_days.
create table core.user_firsts (
    user_key integer, -- the user: core.dim_users.user_key
    first_at timestamp not null -- time of their first message or read, UTC
);
