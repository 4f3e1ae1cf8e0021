-- Fills core.tz_spans from the Arrow table `source_rows`; a span without end gets an infinite one.
-- grain: one row per time zone and span of constant offset
insert into core.tz_spans by name
select
    tz as tz_name,
    coalesce(from_utc, timestamp '-infinity') as from_utc,
    coalesce(to_utc, timestamp 'infinity') as to_utc,
    offset_minutes
from source_rows
order by tz_name, from_utc;
