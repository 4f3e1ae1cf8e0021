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
    mapping varchar not null, -- name of the mapping by which the source is read
    user_ids varchar not null, -- type of the source's user ids: integer, uuid or string
    conversation_ids varchar not null, -- type of its conversation ids
    message_ids varchar not null, -- type of its message ids
    event_ids varchar not null, -- type of its event ids
    inexact varchar[] not null, -- what this messenger cannot tell exactly, from the mapping
    row_security varchar not null, -- refused = no policy hid a row; trusted = the operator's word that none did
    first_days date[] not null, -- first day of each range of UTC days that is kept: the coverage
    last_days date[] not null, -- last day of each of these ranges, included
    changed_in_batch integer not null, -- the last batch that changed any row
    generation integer not null, -- number of the generation; 0 = not published
    generated_at timestamp, -- time of publication, UTC
    feed_mode varchar, -- slot or log: the feed of the source, as far as it was read; null = none
    feed_identity varchar, -- changes when the feed is another one, or may have missed something
    feed_ready_at bigint, -- transactions from this one on are complete in it
    feed_position bigint, -- up to where it was read; null until it is usable
    fresh_bytes bigint not null, -- size of the warehouse when it was last rewritten without holes
    fresh_rows bigint not null -- rows of the warehouse at that time
);
