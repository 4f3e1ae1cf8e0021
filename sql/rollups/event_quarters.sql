-- event_quarters: events by quarter-hour and type.
-- grain: one row per UTC quarter-hour and event type
-- Rebuilds the quarter-hours of [$since, $until) from core.events.
delete from core.event_quarters
where quarter_at >= $since and quarter_at < $until;

insert into core.event_quarters by name
select
    time_bucket(interval 15 minutes, created_at) as quarter_at,
    event_type,
    count(*) as event_count
from core.events
where created_at >= $since and created_at < $until
group by quarter_at, event_type
order by quarter_at, event_type;
