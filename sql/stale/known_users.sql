-- Keeps what rollups hold of users, before a batch changes it; `users` compares.
-- grain: one row per user
create or replace temporary table temp.known_users as
select
    user_key,
    coalesce(is_bot, false) as is_bot
from core.dim_users;
