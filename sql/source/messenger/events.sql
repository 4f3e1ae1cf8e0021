-- events: those whose row version is at or after the base; all of them on a full read.
-- grain: one row per event
-- The metadata stay at home.
select
    id as event_id,
    event_type,
    user_id,
    conversation_id,
    created_at
from analytics_events
where
    (select current_setting('analytics.base') = '')
    or age(xmin) between 0 and (select age(nullif(current_setting('analytics.base'), '')::xid))
