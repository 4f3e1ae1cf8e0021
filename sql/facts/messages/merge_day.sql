-- Writes the day file of [$since, $until): the old file's messages with the staged ones put over them.
-- grain: one row per message
copy (
    select *
    from staging.portion_messages
    where created_at >= $since and created_at < $until
    union all by name
    select known.*
    from read_parquet($old_file, hive_partitioning = false) as known
    anti join staging.messages as staged on known.message_id = staged.message_id
    order by created_at, message_id
) to $path (format parquet, compression zstd, compression_level 1);
