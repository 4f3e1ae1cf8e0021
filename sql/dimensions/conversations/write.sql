-- Writes the lake's file of the conversations dimension, keys included, as the warehouse now has it.
copy (
    select *
    from core.conversations
    order by conversation_key
) to $path (format parquet, compression zstd);
