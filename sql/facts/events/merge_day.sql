-- Writes the day file of [$since, $until): the old file's events with the staged ones put over them.
-- grain: one row per event
copy (
    select *
    from staging.portion_events
    where created_at >= $since and created_at < $until
    union all by name
    select known.*
    from read_parquet($old_file, hive_partitioning = false) as known
    anti join staging.events as staged on known.event_id = staged.event_id
    order by created_at, event_id
) to $path (format parquet, compression zstd, compression_level 1);
