-- Inserts rows of core.event_days from the files $files of an engine, ordered as in
-- sql/rollups/event_days.sql.
insert into core.event_days by name
select *
from read_parquet($files, hive_partitioning = false)
order by day, event_type, conversation_key, user_key;
