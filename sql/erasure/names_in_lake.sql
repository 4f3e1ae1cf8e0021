-- Every name that the user $user_id has in the lake's users files $files, kept for old generations.
-- grain: one row per name
select distinct username
from read_parquet($files, hive_partitioning = false)
where user_id = $user_id
order by username;
