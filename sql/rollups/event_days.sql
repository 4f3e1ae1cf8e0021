-- Rebuilds the UTC days $days of core.event_days from temp.keyed_events.
delete from core.event_days
where day in (select unnest(cast($days as date[])));

insert into core.event_days by name
select
    cast(created_at as date) as day,
    event_type,
    conversation_key,
    user_key,
    count(*) as event_count
from temp.keyed_events
where cast(created_at as date) in (select unnest(cast($days as date[])))
group by day, event_type, conversation_key, user_key
order by day, event_type, conversation_key, user_key;
