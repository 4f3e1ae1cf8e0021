-- How many staged events of the day that begins at $since are not in $old_file as they are now.
-- grain: one row
select count(*) as changed_rows
from (
    select *
    from staging.events
    where created_at >= $since and created_at < $until
    except
    select *
    from read_parquet($old_file, hive_partitioning = false)
) as changed;
