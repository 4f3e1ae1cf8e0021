-- message_quarters: messages that are not deleted, by quarter-hour and type.
-- grain: one row per UTC quarter-hour and message type
-- Rebuilds the UTC days $days from temp.slim_messages.
delete from core.message_quarters
where cast(quarter_at as date) in (select unnest(cast($days as date[])));

insert into core.message_quarters by name
select
    time_bucket(interval 15 minutes, created_at) as quarter_at,
    message_type,
    count(*) as message_count
from temp.slim_messages
where cast(created_at as date) in (select unnest(cast($days as date[]))) and deleted_at is null
group by quarter_at, message_type
order by quarter_at, message_type;
