-- The keyed events of the day files $files.
-- grain: one row per event
create or replace temporary table temp.keyed_events as
select
    lake.created_at,
    lake.event_type,
    conversations.conversation_key,
    users.user_key
from read_parquet($files, hive_partitioning = false) as lake
left join core.dim_conversations as conversations on lake.conversation_id = conversations.conversation_id
left join core.dim_users as users on lake.user_id = users.user_id;
