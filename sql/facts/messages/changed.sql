-- How many staged messages of the days $days are not in these days' files $files as they are now.
-- grain: one row per UTC day that has any
select
    cast(created_at as date) as event_day,
    count(*) as changed_rows
from (
    select *
    from staging.messages
    where cast(created_at as date) in (select unnest(cast($days as date[])))
    except
    select known.*
    from read_parquet($files, hive_partitioning = false) as known
    semi join staging.messages as staged on known.message_id = staged.message_id
) as changed
group by event_day;
