-- core.state: What this file is: its source, its schema and its generation.
-- grain: one row
create table core.state (
    format integer not null, -- format of DATA_DIR; a version that knows only lower numbers does not touch it
    schema_fingerprint varchar not null, -- digest of the SQL that fills the tables; a new one means a rebuild
    views_fingerprint varchar not null, -- digest of the SQL of views, metrics and comments; a new one renews them
    tzdata_version varchar not null, -- release of the tz database in core.tz_spans
    system_identifier varchar not null, -- system identifier of the PostgreSQL cluster
    timeline integer not null, -- timeline of the PostgreSQL cluster
    database_name varchar not null, -- oid and name of the source database
    first_days date[] not null, -- first day of each range of UTC days that is kept: the coverage
    last_days date[] not null, -- last day of each of these ranges, included
    changed_in_batch integer not null, -- the last batch that changed any row
    generation integer not null, -- number of the generation; 0 = not published
    generated_at timestamp, -- time of publication, UTC
    fresh_bytes bigint not null, -- size of the warehouse when it was last rewritten without holes
    fresh_rows bigint not null -- rows of the warehouse at that time
);
