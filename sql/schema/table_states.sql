-- core.table_states: How far each table has been read.
-- grain: one row per table
create table core.table_states (
    table_name varchar not null, -- name of the table
    watermark bigint not null, -- xid8; the next cycle reads rows with this xmin or a later one
    relation varchar not null, -- oid and storage of the source table
    columns varchar not null, -- the columns read, with their types
    source_rows bigint not null, -- rows of the source inside the coverage, counted under the last snapshot
    row_count bigint not null, -- rows in this file after the last batch
    outside_rows bigint not null, -- rows of the source outside the coverage; they are not kept
    is_available boolean not null, -- false = the source has no such table: what it would tell is unknown, not 0
    refused_rows bigint not null -- rows in this file that the source lacks, too many to remove unasked
);
