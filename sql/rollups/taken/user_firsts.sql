-- Inserts core.user_firsts from the files $files, in which a person has a row per month of activity.
insert into core.user_firsts by name
select
    user_key,
    min(first_at) as first_at
from read_parquet($files, hive_partitioning = false)
group by user_key
order by user_key;
