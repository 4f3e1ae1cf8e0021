-- Writes a dimension's file in the lake, keys included, as the open transaction sees it.
-- grain: as the dimension's
copy (
    select *
    from core.dimension
    order by all
) to $path (format parquet, compression zstd, compression_level 1);
