-- Writes the lake's file of the users dimension, keys included, as the warehouse now has it.
copy (
    select *
    from core.users
    order by user_key
) to $path (format parquet, compression zstd);
