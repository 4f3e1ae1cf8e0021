-- core.tz_spans: Offsets of every IANA time zone.
-- grain: one row per time zone and span of constant offset
-- From one release of the tz database, so the same in every DuckDB version. Spans are half-open and follow
-- each other without a gap.
create table core.tz_spans (
    tz_name varchar not null, -- IANA name, such as Europe/Berlin
    from_utc timestamp not null, -- first instant of the span, UTC
    to_utc timestamp not null, -- first instant after the span, UTC
    offset_minutes smallint not null -- local time minus UTC, in minutes
);
