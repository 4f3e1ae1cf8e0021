-- Writes the staged messages of one range of a backfill, in order of time: who reads a day of it later
-- touches few of its row groups.
-- grain: as the table's
copy (
    select *
    from staging.messages
    order by created_at, message_id
) to $path (format parquet, compression zstd, compression_level 1, row_group_size 20480);
