-- Rebuilds the UTC days $days of core.message_days from temp.keyed_messages.
delete from core.message_days
where day in (select unnest(cast($days as date[])));

insert into core.message_days by name
select
    cast(created_at as date) as day,
    conversation_key,
    sender_key,
    coalesce(message_type = 'system', false) as is_system,
    count(*) as message_count,
    count(*) filter (where message_type = 'text') as text_count,
    count(*) filter (where message_type = 'image') as image_count,
    count(*) filter (where message_type = 'file') as file_count,
    sum(coalesce(content_length, 0)) as length_sum,
    count(content_length) as measured_count,
    min(created_at) as first_at,
    max(created_at) as last_at
from temp.keyed_messages
where cast(created_at as date) in (select unnest(cast($days as date[]))) and deleted_at is null
group by day, conversation_key, sender_key, is_system
order by day, conversation_key, sender_key, is_system;
