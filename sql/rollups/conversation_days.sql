-- conversation_days: messages that are not deleted, by day and conversation.
-- grain: one row per UTC day and conversation
-- Rebuilds the UTC days $days from temp.keyed_messages.
delete from core.conversation_days
where day in (select unnest(cast($days as date[])));

insert into core.conversation_days by name
select
    cast(created_at as date) as day,
    conversation_key,
    count(*) as message_count,
    count(*) filter (where message_type = 'text') as text_count,
    count(*) filter (where message_type = 'image') as image_count,
    count(*) filter (where message_type = 'file') as file_count,
    count(*) filter (where message_type = 'system') as system_count,
    sum(coalesce(content_length, 0)) as length_sum,
    count(content_length) as measured_count,
    min(created_at) as first_at,
    max(created_at) as last_at
from temp.keyed_messages
where cast(created_at as date) in (select unnest(cast($days as date[]))) and deleted_at is null
group by day, conversation_key
order by day, conversation_key;
