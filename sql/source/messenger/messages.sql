-- messages: those whose row version is at or after the watermark, and those of whole days; or all.
-- grain: one row per message, deleted ones too
-- The text stays at home: only its length in characters is selected.
-- Both ages are taken in this statement, on this connection: age() counts from the transaction's
-- own next xid, and a number carried over from elsewhere loses rows silently.
-- The driver carries the years 1 to 9999 and no infinity: what lies beyond comes as the nearest.
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
    (
        (select current_setting('analytics.watermark') = '')
        or age(xmin) between 0 and (select age(nullif(current_setting('analytics.watermark'), '')::xid))
        or (
            (select current_setting('analytics.days') <> '{}')
            and created_at <@ (select current_setting('analytics.days')::tstzmultirange)
        )
    )
    and (
        (select current_setting('analytics.coverage') = '{[,)}')
        or created_at <@ (select current_setting('analytics.coverage')::tstzmultirange)
    )
