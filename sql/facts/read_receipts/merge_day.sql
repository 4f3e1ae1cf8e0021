-- Writes the day file of [$since, $until): the old file's read_receipts with the staged ones put over them.
-- grain: one row per message and user
copy (
    select *
    from staging.portion_read_receipts
    where read_at >= $since and read_at < $until
    union all by name
    select known.*
    from read_parquet($old_file, hive_partitioning = false) as known
    anti join staging.read_receipts as staged on known.message_id = staged.message_id and known.user_id = staged.user_id
    order by read_at, message_id, user_id
) to $path (format parquet, compression zstd, compression_level 1);
