-- read_days: read receipts by day, conversation and reader, whatever became of the message.
-- grain: one row per UTC day, conversation and reader
-- Rebuilds the days of [$since, $until) from core.read_receipts.
delete from core.read_days
where day between cast($since as date) and cast($until - interval 1 microsecond as date);

insert into core.read_days by name
select
    cast(read_at as date) as day,
    conversation_key,
    user_key,
    count(*) as read_count,
    min(read_at) as first_at,
    max(read_at) as last_at
from core.read_receipts
where read_at >= $since and read_at < $until
group by day, conversation_key, user_key
order by day, conversation_key, user_key;
