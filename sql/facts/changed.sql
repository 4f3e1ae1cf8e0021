-- Counts the staged rows of the UTC days $days that are not in these days' files $files as they are now.
-- grain: one row per UTC day that has any
select
    cast(event_time as date) as event_day,
    count(*) as changed_rows
from (
    select *
    from staging.fact
    where cast(event_time as date) in (select unnest(cast($days as date[])))
    except
    select known.*
    from read_parquet($files, hive_partitioning = false) as known
    semi join staging.fact using (fact_id)
) as changed
group by event_day;
