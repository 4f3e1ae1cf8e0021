-- Writes the lake's file of the participants dimension, keys included, as the warehouse now has it.
copy (
    select *
    from core.participants
    order by conversation_key, user_key
) to $path (format parquet, compression zstd);
