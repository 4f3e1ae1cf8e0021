-- Inserts rows of core.user_days from the files $files of an engine, ordered as in
-- sql/rollups/user_days.sql.
insert into core.user_days by name
select *
from read_parquet($files, hive_partitioning = false)
-- Similar masks together take half the bytes.
order by
    day,
    sent_quarter_hours_low,
    sent_quarter_hours_high,
    read_quarter_hours_low,
    read_quarter_hours_high,
    user_key;
