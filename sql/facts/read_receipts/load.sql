-- Puts the read receipts of the day files $files into the warehouse, with keys instead of ids.
-- grain: one row per message and user
insert into core.read_receipts by name
select
    lake.read_at,
    conversations.conversation_key,
    users.user_key,
    lake.message_created_at
from read_parquet($files, hive_partitioning = false) as lake
left join core.conversations as conversations on lake.conversation_id = conversations.conversation_id
left join core.users as users on lake.user_id = users.user_id
order by lake.read_at;
