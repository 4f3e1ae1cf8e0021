-- users: people and bots whose row version is at or after the watermark; all of them on a full read.
-- grain: one row per user
-- Conventions as in messages.sql.
select
    id as user_id,
    username,
    is_bot,
    case
        when created_at < '0001-01-01 00:00:00+00' then '0001-01-01 00:00:00+00'
        when created_at > '9999-12-31 23:59:59.999999+00' then '9999-12-31 23:59:59.999999+00'
        else created_at
    end as created_at,
    case
        when deleted_at < '0001-01-01 00:00:00+00' then '0001-01-01 00:00:00+00'
        when deleted_at > '9999-12-31 23:59:59.999999+00' then '9999-12-31 23:59:59.999999+00'
        else deleted_at
    end as deleted_at
from users
where
    (select current_setting('analytics.watermark') = '')
    or age(xmin) between 0 and (select age(nullif(current_setting('analytics.watermark'), '')::xid))
