-- Rebuilds the UTC days $days of core.message_quarter_hours from temp.keyed_messages.
delete from core.message_quarter_hours
where cast(quarter_at as date) in (select unnest(cast($days as date[])));

insert into core.message_quarter_hours by name
select
    case when facts.created_at >= changes.changed_at then changes.changed_at else facts.began_at end as quarter_at,
    count(*) as message_count
from (
    select
        created_at,
        time_bucket(interval 15 minutes, created_at) as began_at
    from temp.keyed_messages
    where cast(created_at as date) in (select unnest(cast($days as date[]))) and deleted_at is null
) as facts
left join core.clock_changes as changes on facts.began_at = changes.began_at
group by quarter_at
order by quarter_at;
