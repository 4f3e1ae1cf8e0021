-- Writes the day file of the staged events of [$since, $until) alone: a new day, or a full read.
-- grain: one row per event
copy (
    select *
    from staging.portion_events
    where created_at >= $since and created_at < $until
    order by created_at, event_id
) to $path (format parquet, compression zstd, compression_level 1);
