-- events: those of a range of places, whatever their version.
-- grain: one row per event
-- Conventions as in messages.sql.
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
    ctid >= current_setting('analytics.first_place')::tid
    and ctid < current_setting('analytics.until_place')::tid
    and (
        (select current_setting('analytics.coverage') = '{[,)}')
        or created_at <@ (select current_setting('analytics.coverage')::tstzmultirange)
    )
