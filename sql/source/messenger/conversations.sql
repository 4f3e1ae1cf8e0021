-- conversations: those whose row version is at or after the watermark; all of them on a full read.
-- grain: one row per conversation
-- Conventions as in messages.sql.
select
    id as conversation_id,
    type as conversation_type,
    title,
    case
        when created_at < '0001-01-01 00:00:00+00' then '0001-01-01 00:00:00+00'
        when created_at > '9999-12-31 23:59:59.999999+00' then '9999-12-31 23:59:59.999999+00'
        else created_at
    end as created_at
from conversations
where
    (select current_setting('analytics.watermark') = '')
    or age(xmin) between 0 and (select age(nullif(current_setting('analytics.watermark'), '')::xid))
