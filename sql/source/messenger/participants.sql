-- participants: memberships whose row version is at or after the watermark; all on a full read.
-- grain: one row per conversation and user
-- Conventions as in messages.sql.
select
    conversation_id,
    user_id,
    role,
    case
        when joined_at < '0001-01-01 00:00:00+00' then '0001-01-01 00:00:00+00'
        when joined_at > '9999-12-31 23:59:59.999999+00' then '9999-12-31 23:59:59.999999+00'
        else joined_at
    end as joined_at,
    case
        when left_at < '0001-01-01 00:00:00+00' then '0001-01-01 00:00:00+00'
        when left_at > '9999-12-31 23:59:59.999999+00' then '9999-12-31 23:59:59.999999+00'
        else left_at
    end as left_at
from conversation_participants
where
    (select current_setting('analytics.watermark') = '')
    or age(xmin) between 0 and (select age(nullif(current_setting('analytics.watermark'), '')::xid))
