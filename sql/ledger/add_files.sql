-- Records lake files; the lists go together by position, and a null day stands for a dimension.
-- grain: one row per file
insert into core.lake_files by name
select
    unnest(cast($tables as varchar[])) as table_name,
    unnest(cast($days as date[])) as day,
    unnest(cast($paths as varchar[])) as path,
    unnest(cast($batches as integer[])) as batch,
    unnest(cast($row_counts as bigint[])) as row_count,
    unnest(cast($byte_counts as bigint[])) as byte_count,
    unnest(cast($proved_at as timestamp[])) as proved_at;
