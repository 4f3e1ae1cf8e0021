-- Inserts rows of core.user_type_days from the files $files of an engine, ordered as in
-- sql/rollups/user_type_days.sql.
insert into core.user_type_days by name
select *
from read_parquet($files, hive_partitioning = false)
-- Similar masks together take half the bytes.
order by day, quarter_hours_low, quarter_hours_high, user_key, conversation_type;
