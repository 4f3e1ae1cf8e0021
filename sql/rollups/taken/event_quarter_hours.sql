-- Inserts rows of core.event_quarter_hours from the files $files of an engine, ordered as in
-- sql/rollups/event_quarter_hours.sql.
insert into core.event_quarter_hours by name
select *
from read_parquet($files, hive_partitioning = false)
order by quarter_at, event_type;
