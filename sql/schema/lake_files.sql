-- core.lake_files: The files the lake is made of.
-- grain: one row per Parquet file
create table core.lake_files (
    table_name varchar not null,
    day date,
    path varchar not null,
    batch integer not null,
    row_count bigint not null,
    byte_count bigint not null,
    proved_at timestamp
);

comment on table core.lake_files is 'The files the lake is made of. Grain: one row per Parquet file.';
comment on column core.lake_files.table_name is 'the table';
comment on column core.lake_files.day is 'UTC day; null = a whole dimension';
comment on column core.lake_files.path is 'relative to the lake';
comment on column core.lake_files.batch is 'the batch that wrote it';
comment on column core.lake_files.row_count is 'rows in it';
comment on column core.lake_files.byte_count is 'its size';
comment on column core.lake_files.proved_at is 'when these rows were last proved equal to those of the source, UTC; null = not yet';
