-- Writes the day file of [$since, $until) from staged rows alone: a new day, or one that was read whole.
-- grain: as the fact's
copy (
    select *
    from staging.portion_fact
    where event_time >= $since and event_time < $until
    order by event_time, fact_id
) to $path (format parquet, compression zstd, compression_level 1);
