-- Writes the day file $old_file anew, with $pseudonym in the place of the user $user_id.
-- grain: one row per message
copy (
    select * replace (case when sender_id = $user_id then $pseudonym else sender_id end as sender_id)
    from read_parquet($old_file, hive_partitioning = false)
    order by created_at, message_id
) to $path (format parquet, compression zstd, compression_level 1);
