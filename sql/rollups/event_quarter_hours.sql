-- Rebuilds the UTC days $days of core.event_quarter_hours from temp.keyed_events.
delete from core.event_quarter_hours
where cast(quarter_at as date) in (select unnest(cast($days as date[])));

insert into core.event_quarter_hours by name
select
    case when facts.created_at >= changes.changed_at then changes.changed_at else facts.began_at end as quarter_at,
    facts.event_type,
    count(*) as event_count
from (
    select
        created_at,
        time_bucket(interval 15 minutes, created_at) as began_at,
        event_type
    from temp.keyed_events
    where cast(created_at as date) in (select unnest(cast($days as date[])))
) as facts
left join core.clock_changes as changes on facts.began_at = changes.began_at
group by quarter_at, facts.event_type
order by quarter_at, facts.event_type;
