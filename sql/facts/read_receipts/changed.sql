-- How many staged read receipts of the days $days are not in these days' files $files as they are now.
-- grain: one row per UTC day that has any
select
    cast(read_at as date) as event_day,
    count(*) as changed_rows
from (
    select *
    from staging.read_receipts
    where cast(read_at as date) in (select unnest(cast($days as date[])))
    except
    select known.*
    from read_parquet($files, hive_partitioning = false) as known
    semi join staging.read_receipts as staged on known.message_id = staged.message_id and known.user_id = staged.user_id
) as changed
group by event_day;
