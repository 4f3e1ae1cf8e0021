-- Writes the day file of [$since, $until): staged rows replace the rows of the old file with the same key,
-- and rows that are gone at the source, or on another day now, are left out.
-- grain: as the fact's
copy (
    select *
    from staging.portion_fact
    where event_time >= $since and event_time < $until
    union all by name
    select known.*
    from read_parquet($old_file, hive_partitioning = false) as known
    anti join staging.fact using (fact_id)
    anti join staging.removed_fact using (fact_id)
    order by event_time, fact_id
) to $path (format parquet, compression zstd, compression_level 1);
