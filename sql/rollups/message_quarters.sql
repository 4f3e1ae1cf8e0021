-- message_quarters: messages that are not deleted, by quarter-hour and type.
-- grain: one row per UTC quarter-hour and message type
-- Rebuilds the quarter-hours of [$since, $until) from core.messages.
delete from core.message_quarters
where quarter_at >= $since and quarter_at < $until;

insert into core.message_quarters by name
select
    time_bucket(interval 15 minutes, created_at) as quarter_at,
    message_type,
    count(*) as message_count
from core.messages
where created_at >= $since and created_at < $until and deleted_at is null
group by quarter_at, message_type
order by quarter_at, message_type;
