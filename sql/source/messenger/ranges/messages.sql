-- messages: those of a range of places, whatever their version.
-- grain: one row per message, deleted ones too
-- Conventions as in ../messages.sql. The two conditions on ctid alone make it a TID range scan; in a
-- partitioned table the same places of every partition.
select
    id as message_id,
    conversation_id,
    sender_id,
    message_type,
    case
        when created_at < '0001-01-01 00:00:00+00' then '0001-01-01 00:00:00+00'
        when created_at > '9999-12-31 23:59:59.999999+00' then '9999-12-31 23:59:59.999999+00'
        else created_at
    end as created_at,
    case
        when updated_at < '0001-01-01 00:00:00+00' then '0001-01-01 00:00:00+00'
        when updated_at > '9999-12-31 23:59:59.999999+00' then '9999-12-31 23:59:59.999999+00'
        else updated_at
    end as edited_at,
    case
        when deleted_at < '0001-01-01 00:00:00+00' then '0001-01-01 00:00:00+00'
        when deleted_at > '9999-12-31 23:59:59.999999+00' then '9999-12-31 23:59:59.999999+00'
        else deleted_at
    end as deleted_at,
    length(content) as content_length
from messages
where
    ctid >= current_setting('analytics.first_place')::tid
    and ctid < current_setting('analytics.until_place')::tid
    and (
        (select current_setting('analytics.coverage') = '{[,)}')
        or created_at <@ (select current_setting('analytics.coverage')::tstzmultirange)
    )
