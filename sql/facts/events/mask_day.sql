-- Writes the day file $old_file anew, with $pseudonym in the place of the user $user_id.
-- grain: one row per event
copy (
    select * replace (case when user_id = $user_id then $pseudonym else user_id end as user_id)
    from read_parquet($old_file, hive_partitioning = false)
    order by created_at, event_id
) to $path (format parquet, compression zstd, compression_level 1);
