-- Inserts rows of core.read_days from the files $files of an engine, ordered as in
-- sql/rollups/read_days.sql.
insert into core.read_days by name
select *
from read_parquet($files, hive_partitioning = false)
order by day, conversation_key, user_key;
