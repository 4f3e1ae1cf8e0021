-- The keyed reactions of the day files $files.
-- grain: one row per message, user and emoji
create or replace temporary table temp.keyed_reactions as
select
    lake.created_at,
    conversations.conversation_key,
    users.user_key,
    lake.emoji,
    lake.message_created_at
from read_parquet($files, hive_partitioning = false) as lake
left join core.dim_conversations as conversations on lake.conversation_id = conversations.conversation_id
left join core.dim_users as users on lake.user_id = users.user_id;
