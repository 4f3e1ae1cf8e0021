-- core.state: What this file is: its source, its schema and its generation.
-- grain: one row
create table core.state (
    format integer not null,
    schema_fingerprint varchar not null,
    views_fingerprint varchar not null,
    tzdata_version varchar not null,
    system_identifier varchar not null,
    timeline integer not null,
    database_name varchar not null,
    first_days date[] not null,
    last_days date[] not null,
    changed_in_batch integer not null,
    generation integer not null,
    generated_at timestamp,
    fresh_bytes bigint not null,
    fresh_rows bigint not null
);

comment on table core.state is 'What this file is: its source, its schema and its generation. Grain: one row.';
comment on column core.state.format is 'what these files mean; a version that knows only lower numbers leaves them alone';
comment on column core.state.schema_fingerprint is 'digest of the SQL that made these tables; another one asks for a rebuild';
comment on column core.state.views_fingerprint is 'digest of the SQL that made views and metrics; another one asks for new ones';
comment on column core.state.tzdata_version is 'release of the tz database in core.tz_spans';
comment on column core.state.system_identifier is 'of the PostgreSQL cluster';
comment on column core.state.timeline is 'of the PostgreSQL cluster';
comment on column core.state.database_name is 'oid and name of the source database';
comment on column core.state.first_days is 'first day of each range of UTC days that is kept: the coverage';
comment on column core.state.last_days is 'last day of each of these ranges, itself kept';
comment on column core.state.changed_in_batch is 'the last batch that changed any row';
comment on column core.state.generation is 'the generation; 0 = not published';
comment on column core.state.generated_at is 'when it was published, UTC';
comment on column core.state.fresh_bytes is 'size of the warehouse when it was last written anew';
comment on column core.state.fresh_rows is 'its rows then';
