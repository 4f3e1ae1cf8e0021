-- events: those whose row version is at or after the watermark, and those of whole days; or all.
-- grain: one row per event
-- The metadata stay at home. Conventions as in messages.sql.
select
    id as event_id,
    event_type,
    user_id,
    conversation_id,
    case
        when created_at < '0001-01-01 00:00:00+00' then '0001-01-01 00:00:00+00'
        when created_at > '9999-12-31 23:59:59.999999+00' then '9999-12-31 23:59:59.999999+00'
        else created_at
    end as created_at
from analytics_events
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
