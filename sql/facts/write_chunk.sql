-- Writes the staged rows of one range of a backfill in order of time: reading a day of them later touches
-- few row groups.
-- grain: as the fact's
copy (
    select *
    from staging.fact
    order by event_time, fact_id
) to $path (format parquet, compression zstd, compression_level 1, row_group_size 20480);
