-- core.table_states: How far each table has been read.
-- grain: one row per table
create table core.table_states (
    table_name varchar not null,
    watermark bigint not null,
    relation varchar not null,
    columns varchar not null,
    source_rows bigint not null,
    row_count bigint not null,
    outside_rows bigint not null
);

comment on table core.table_states is 'How far each table has been read. Grain: one row per table.';
comment on column core.table_states.table_name is 'the table';
comment on column core.table_states.watermark is 'the next cycle reads rows whose xmin is at or after this xid8';
comment on column core.table_states.relation is 'oid and storage of the source table';
comment on column core.table_states.columns is 'the columns read, with their types';
comment on column core.table_states.source_rows is 'rows the source counted under the last snapshot, inside the coverage';
comment on column core.table_states.row_count is 'rows here after the last batch';
comment on column core.table_states.outside_rows is 'rows the source counted outside the coverage; they are not kept';
