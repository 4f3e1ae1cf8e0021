-- core.tz_spans: Offsets of every IANA time zone, from one release of the tz database: the same in every DuckDB version. Spans are half-open and follow each other without a gap.
-- grain: one row per time zone and span of constant offset
create table core.tz_spans (
    tz_name varchar not null,
    from_utc timestamp not null,
    to_utc timestamp not null,
    offset_minutes smallint not null
);

comment on table core.tz_spans is 'Offsets of every IANA time zone, from one release of the tz database: the same in every DuckDB version. Spans are half-open and follow each other without a gap. Grain: one row per time zone and span of constant offset.';
comment on column core.tz_spans.tz_name is 'IANA name, such as Europe/Berlin';
comment on column core.tz_spans.from_utc is 'first instant of the span, UTC';
comment on column core.tz_spans.to_utc is 'first instant after it, UTC';
comment on column core.tz_spans.offset_minutes is 'local time minus UTC, in minutes';
