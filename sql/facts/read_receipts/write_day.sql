-- Writes the day file of the staged read_receipts of [$since, $until) alone: a new day, or a full read.
-- grain: one row per message and user
copy (
    select *
    from staging.portion_read_receipts
    where read_at >= $since and read_at < $until
    order by read_at, message_id, user_id
) to $path (format parquet, compression zstd, compression_level 1);
