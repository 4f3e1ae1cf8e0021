-- The keyed messages of the day files $files: keys in place of ids. Facts and rollups of rebuilt days are made
-- of these rows.
-- grain: one row per message
create or replace temporary table temp.keyed_messages as
select
    lake.created_at,
    conversations.conversation_key,
    users.user_key as sender_key,
    lake.message_type,
    lake.content_length,
    lake.edited_at,
    lake.deleted_at
from read_parquet($files, hive_partitioning = false) as lake
left join core.dim_conversations as conversations on lake.conversation_id = conversations.conversation_id
left join core.dim_users as users on lake.sender_id = users.user_id;
