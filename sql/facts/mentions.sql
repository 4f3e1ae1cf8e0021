-- Finds which of the day files $files mention the user $user_id.
-- grain: one row per file
select distinct filename as path
from read_parquet($files, hive_partitioning = false, filename = true)
where person_id = $user_id
order by path;
