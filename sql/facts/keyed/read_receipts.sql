-- The keyed read receipts of the day files $files.
-- grain: one row per message and user
create or replace temporary table temp.keyed_read_receipts as
select
    lake.read_at,
    conversations.conversation_key,
    users.user_key,
    lake.message_created_at
from read_parquet($files, hive_partitioning = false) as lake
left join core.dim_conversations as conversations on lake.conversation_id = conversations.conversation_id
left join core.dim_users as users on lake.user_id = users.user_id;
