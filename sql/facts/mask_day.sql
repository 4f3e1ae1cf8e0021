-- Rewrites the day file $old_file with $pseudonym in place of the user $user_id.
-- grain: as the fact's
copy (
    select * replace (case when person_id = $user_id then $pseudonym else person_id end as person_id)
    from read_parquet($old_file, hive_partitioning = false)
    order by event_time, fact_id
) to $path (format parquet, compression zstd, compression_level 1);
