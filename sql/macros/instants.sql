-- Instants: what people and tools give as since, until and days, as TIMESTAMP in UTC.
-- Every name of a metric takes text, dates, and times with and without a zone, and hands them through these
-- macros to its computation (olap/catalog.py). A TIMESTAMP or a DATE needs none of them.

-- whether a text has an offset or a zone behind its time: 10:00Z, 10:00+02, 10:00 Europe/Berlin
create or replace macro core.has_zone(words) as (
    regexp_matches(words, ':.*([a-zA-Z_]|[+-][0-9]+(:[0-9]+)*)$')
);

-- the instant that a text names: what has an offset or a zone is converted, what has none is UTC
-- A cast to TIMESTAMP would ignore the offset, and one to TIMESTAMPTZ would add the zone of the session.
create or replace macro core.instant_of_text(words) as (
    case
        when core.has_zone(words) then make_timestamp(epoch_us(cast(words as timestamptz)))
        else cast(words as timestamp)
    end
);

-- the instant of a value of any type, whatever the zone of the session
create or replace macro core.instant_of(moment) as (
    case
        when typeof(moment) in ('TIMESTAMP', 'DATE', '"NULL"') then cast(moment as timestamp)
        when typeof(moment) = 'TIMESTAMP WITH TIME ZONE' then make_timestamp(epoch_us(cast(moment as timestamptz)))
        else core.instant_of_text(cast(moment as varchar))
    end
);

-- the start of a period: since, or so many days of 24 hours before its end
create or replace macro core.start_of(since, until, days) as (
    case
        when since is not null and days is not null then error('since and days are given: give one of them')
        when days is null then core.instant_of(since)
        else
            coalesce(core.instant_of(until), core.data_through())
            - to_microseconds(cast(days * 86400000000 as bigint))
    end
);

-- a TIMESTAMP in UTC as the same instant with its zone, whatever the zone of the session
-- make_timestamptz and at time zone are in the extension ICU, which DuckDB in a browser has not. A double carries
-- the microseconds of the years 1907 to 2033 exactly; other times take the slower way through a text.
create or replace macro core.with_zone(instant) as (
    case
        when epoch_us(instant) between -2000000000000000 and 2000000000000000 then to_timestamp(epoch_us(instant) / 1e6)
        else cast(cast(instant as varchar) || '+00' as timestamptz)
    end
);
