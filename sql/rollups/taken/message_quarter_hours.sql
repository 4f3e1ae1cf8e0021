-- Inserts rows of core.message_quarter_hours from the files $files of an engine, ordered as in
-- sql/rollups/message_quarter_hours.sql.
insert into core.message_quarter_hours by name
select *
from read_parquet($files, hive_partitioning = false)
order by all;
