-- core.batches: The last hundred batches: what each cycle read, under one snapshot.
-- grain: one row per batch
create table core.batches (
    batch integer not null,
    data_through timestamp not null,
    snapshot varchar not null,
    rows_read bigint not null,
    rows_changed bigint not null,
    days_rebuilt integer not null,
    read_ms integer not null,
    fold_ms integer not null,
    held_back_by varchar
);

comment on table core.batches is 'The last hundred batches: what each cycle read, under one snapshot. Grain: one row per batch.';
comment on column core.batches.batch is 'number of the batch';
comment on column core.batches.data_through is 'the sources clock at the snapshot, UTC';
comment on column core.batches.snapshot is 'pg_current_snapshot() of the reading transaction';
comment on column core.batches.rows_read is 'rows the source sent';
comment on column core.batches.rows_changed is 'rows that were new or different';
comment on column core.batches.days_rebuilt is '(table, day) pairs that were rebuilt';
comment on column core.batches.read_ms is 'milliseconds spent reading';
comment on column core.batches.fold_ms is 'milliseconds from there to the commit';
comment on column core.batches.held_back_by is 'the oldest transaction then open at the source; null = none';
