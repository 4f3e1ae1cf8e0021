-- Rebuilds the UTC days $days of core.read_days from temp.keyed_read_receipts.
delete from core.read_days
where day in (select unnest(cast($days as date[])));

insert into core.read_days by name
select
    cast(read_at as date) as day,
    conversation_key,
    user_key,
    count(*) as read_count,
    min(read_at) as first_at,
    max(read_at) as last_at
from temp.keyed_read_receipts
where cast(read_at as date) in (select unnest(cast($days as date[])))
group by day, conversation_key, user_key
order by day, conversation_key, user_key;
