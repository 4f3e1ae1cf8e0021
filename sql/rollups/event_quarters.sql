-- event_quarters: events by quarter-hour and type.
-- grain: one row per UTC quarter-hour and event type
-- Rebuilds the UTC days $days from temp.slim_events.
delete from core.event_quarters
where cast(quarter_at as date) in (select unnest(cast($days as date[])));

insert into core.event_quarters by name
select
    time_bucket(interval 15 minutes, created_at) as quarter_at,
    event_type,
    count(*) as event_count
from temp.slim_events
where cast(created_at as date) in (select unnest(cast($days as date[])))
group by quarter_at, event_type
order by quarter_at, event_type;
