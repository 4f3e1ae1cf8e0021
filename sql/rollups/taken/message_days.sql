-- Inserts rows of core.message_days from the files $files of an engine, ordered as in
-- sql/rollups/message_days.sql.
insert into core.message_days by name
select *
from read_parquet($files, hive_partitioning = false)
order by day, conversation_key, sender_key, is_system;
