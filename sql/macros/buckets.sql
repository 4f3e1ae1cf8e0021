-- Buckets of local time: hours, days, weeks (from Monday) and months of an IANA time zone.

-- true, or an error that says what can be asked for
create or replace macro core.is_interval(word) as (
    case
        when word in ('hourly', 'daily', 'weekly', 'monthly') then true
        else error('unknown every: it is hourly, daily, weekly or monthly')
    end
);

-- true, or an error that says how a time zone is named
create or replace macro core.is_zone(zone) as (
    case
        when zone in (select spans.tz_name from core.tz_spans as spans) then true
        else error('unknown tz: give an IANA name such as Europe/Berlin')
    end
);

-- whether a bucket is made of whole UTC days
create or replace macro core.are_utc_days(every, tz) as (
    coalesce(tz = 'UTC' and every in ('daily', 'weekly', 'monthly'), false)
);

-- zone_spans: when a time zone had which offset, as far as a window meets it
-- grain: one row per span of constant offset
create or replace macro core.zone_spans(from_at, to_at, zone) as table
    select
        spans.from_utc,
        spans.to_utc,
        to_minutes(spans.offset_minutes) as shift
    from core.tz_spans as spans
    where
        spans.tz_name = zone
        and spans.from_utc < to_at + interval 40 days
        and spans.to_utc > from_at - interval 40 days;

-- buckets: those that a window meets, without a gap
-- grain: one row per bucket
-- bucket_at is the bucket's first instant, next_at the one after it, in UTC. An hour is one of the
-- clock that runs through a change of the clocks: an hour that comes twice is two buckets, one that is
-- left out is none. A day, a week or a month begins with the first instant that bears its date.
create or replace macro core.buckets(from_at, to_at, unit, zone) as table
    with zones as (
        select *
        from core.zone_spans(from_at, to_at, zone)
    ),

    hours as (
        select greatest(zones.from_utc, opened.local_at - zones.shift) as bucket_at
        from zones
        cross join
            lateral (
                select
                    unnest(generate_series(
                        date_trunc('hour', greatest(zones.from_utc, from_at - interval 2 hours) + zones.shift),
                        least(zones.to_utc, to_at + interval 2 hours) + zones.shift - interval 1 microsecond,
                        interval 1 hour
                    )) as local_at
            ) as opened
        where
            unit = 'hourly'
            and zones.from_utc < to_at + interval 2 hours
            and zones.to_utc > from_at - interval 2 hours
    ),

    periods as (
        select
            unnest(generate_series(
                date_trunc(core.unit_of(unit), from_at - interval 2 days),
                date_trunc(core.unit_of(unit), to_at + interval 2 days) + core.length_of(unit),
                core.length_of(unit)
            )) as local_at
        where unit <> 'hourly'
    ),

    days as (
        select min(greatest(zones.from_utc, periods.local_at - zones.shift)) as bucket_at
        from periods
        inner join zones on greatest(zones.from_utc, periods.local_at - zones.shift) < zones.to_utc
        group by periods.local_at
    ),

    opened as (
        select bucket_at
        from hours
        union
        select bucket_at
        from days
    )

    select
        bucket_at,
        next_at
    from (
        select
            bucket_at,
            lead(bucket_at) over (order by bucket_at) as next_at
        from opened
    ) as followed
    where next_at > from_at and bucket_at < to_at and from_at < to_at;
