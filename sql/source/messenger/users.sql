-- users: people and bots whose row version is at or after the base; all of them on a full read.
-- grain: one row per user
-- Both ages are taken in this statement, on this connection: age() counts from the transaction's
-- own next xid, and a number carried over from elsewhere loses rows silently.
select
    id as user_id,
    username,
    is_bot,
    created_at,
    deleted_at
from users
where
    (select current_setting('analytics.base') = '')
    or age(xmin) between 0 and (select age(nullif(current_setting('analytics.base'), '')::xid))
