-- Puts the messages of the day files $files into the warehouse, with keys instead of ids.
-- grain: one row per message
insert into core.messages by name
select
    lake.created_at,
    conversations.conversation_key,
    users.user_key as sender_key,
    lake.message_type,
    lake.content_length,
    lake.edited_at,
    lake.deleted_at
from read_parquet($files, hive_partitioning = false) as lake
left join core.conversations as conversations on lake.conversation_id = conversations.conversation_id
left join core.users as users on lake.sender_id = users.user_id
order by lake.created_at;
