-- Writes the day file of the staged messages of [$since, $until) alone: a new day, or a full read.
-- grain: one row per message
copy (
    select *
    from staging.portion_messages
    where created_at >= $since and created_at < $until
    order by created_at, message_id
) to $path (format parquet, compression zstd, compression_level 1);
