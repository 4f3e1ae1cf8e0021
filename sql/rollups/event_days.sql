-- event_days: events by day, type, conversation and user.
-- grain: one row per UTC day, event type, conversation and user
-- Rebuilds the days of [$since, $until) from core.events.
delete from core.event_days
where day between cast($since as date) and cast($until - interval 1 microsecond as date);

insert into core.event_days by name
select
    cast(created_at as date) as day,
    event_type,
    conversation_key,
    user_key,
    count(*) as event_count
from core.events
where created_at >= $since and created_at < $until
group by day, event_type, conversation_key, user_key
order by day, event_type, conversation_key, user_key;
