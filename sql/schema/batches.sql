-- core.batches: The last hundred batches: what each cycle read, under one snapshot.
-- grain: one row per batch
create table core.batches (
    batch integer not null, -- number of the batch
    data_through timestamp not null, -- clock of the source at the snapshot, UTC
    snapshot varchar not null, -- pg_current_snapshot() of the reading transaction
    rows_read bigint not null, -- rows that the source sent
    rows_changed bigint not null, -- rows that were new or different
    days_rebuilt integer not null, -- (table, day) pairs that were rebuilt
    read_ms integer not null, -- milliseconds spent reading
    fold_ms integer not null, -- milliseconds from the end of reading to the commit
    held_back_by varchar, -- the oldest transaction open at the source at the snapshot; null = none
    mode varchar not null, -- how the batch found what changed: scan, slot or log
    mode_reason varchar -- why it did not use a feed; null where none is wanted, or where it did
);
