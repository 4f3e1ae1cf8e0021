-- core.lake_files: The files of the lake.
-- grain: one row per Parquet file
create table core.lake_files (
    table_name varchar not null, -- name of the table
    day date, -- UTC day; null = a whole dimension
    path varchar not null, -- path relative to the lake
    batch integer not null, -- the batch that wrote the file
    row_count bigint not null, -- rows in the file
    byte_count bigint not null, -- size of the file
    proved_at timestamp -- when the rows were last proved equal to those of the source, UTC; null = not yet
);
