-- Buckets of local time: hours, days, weeks (from Monday) and months of an IANA time zone.

-- true, or an error that lists what every can be
create or replace macro core.is_interval(every) as (
    case
        when every in ('hourly', 'daily', 'weekly', 'monthly') then true
        else error('unknown every: it is hourly, daily, weekly or monthly')
    end
);

-- true, or an error that lists what every can be where hours make no sense
create or replace macro core.is_interval_of_days(every) as (
    case
        when every in ('daily', 'weekly', 'monthly') then true
        else error('unknown every: it is daily, weekly or monthly')
    end
);

-- true, or an error that says how a time zone is named
create or replace macro core.is_zone(tz) as (
    case
        when tz in (select spans.tz_name from core.tz_spans as spans) then true
        else error('unknown tz: give an IANA name such as Europe/Berlin')
    end
);

-- whether buckets consist of whole UTC days
create or replace macro core.are_utc_days(every, tz) as (
    coalesce(tz = 'UTC' and every in ('daily', 'weekly', 'monthly'), false)
);

-- the unit of days, weeks and months for date_trunc
create or replace macro core.unit_of(every) as (
    case every when 'monthly' then 'month' when 'weekly' then 'week' else 'day' end
);

-- the length of days, weeks and months
create or replace macro core.length_of(every) as (
    case every when 'monthly' then interval 1 month when 'weekly' then interval 7 days else interval 1 day end
);

-- zone_spans: which offset a time zone has when, in and around a period.
-- grain: one row per span of constant offset
create or replace macro core.zone_spans(since, until, tz) as table
    select
        spans.from_utc,
        spans.to_utc,
        to_minutes(spans.offset_minutes) as shift
    from core.tz_spans as spans
    where
        spans.tz_name = tz
        and spans.from_utc < core.end_of(until) + interval 40 days
        and spans.to_utc > since - interval 40 days;

-- buckets: the buckets that a period meets, without a gap.
-- grain: one row per bucket
-- bucket_at is the first instant of the bucket, next_at that of the next bucket, in UTC; is_partial is
-- true where the period cuts the bucket. An hour is one of the local clock: an hour that the clock shows
-- twice is two buckets, an hour that it skips is none. A day, week or month begins with the first instant
-- of its date. Raises the errors of a period, of every and of tz.
create or replace macro core.buckets(since, until, every, tz) as table
    with zones as (
        select *
        from core.zone_spans(since := since, until := until, tz := tz)
    ),

    hours as (
        select greatest(opened.from_utc, opened.local_at - opened.shift) as bucket_at
        from (
            select
                zones.from_utc,
                zones.shift,
                unnest(generate_series(
                    date_trunc('hour', greatest(zones.from_utc, since - interval 2 hours) + zones.shift),
                    least(zones.to_utc, core.end_of(until) + interval 2 hours)
                    + zones.shift - interval 1 microsecond,
                    interval 1 hour
                )) as local_at
            from zones
            where
                every = 'hourly'
                and zones.from_utc < core.end_of(until) + interval 2 hours
                and zones.to_utc > since - interval 2 hours
        ) as opened
    ),

    periods as (
        select
            unnest(generate_series(
                date_trunc(core.unit_of(every), since - interval 2 days),
                date_trunc(core.unit_of(every), core.end_of(until) + interval 2 days) + core.length_of(every),
                core.length_of(every)
            )) as local_at
        where every <> 'hourly'
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
        followed.bucket_at,
        followed.next_at,
        followed.bucket_at < since or followed.next_at > core.end_of(until) as is_partial
    from (
        select
            bucket_at,
            lead(bucket_at) over (order by bucket_at) as next_at
        from opened
    ) as followed
    where
        followed.next_at > since
        and followed.bucket_at < core.end_of(until)
        and since < core.end_of(until)
    union all by name
    select errors.nothing as bucket_at
    from
        core.errors_of(
            core.is_period(since := since, until := until) and core.is_interval(every) and core.is_zone(tz)
        ) as errors;

-- hours_of_week: every hour of a week, from Monday (1) at 0 to Sunday (7) at 23.
-- grain: one row per weekday and hour
create or replace macro core.hours_of_week() as table
    select
        cast(hours.number // 24 + 1 as bigint) as weekday,
        cast(hours.number % 24 as bigint) as hour
    from (select unnest(generate_series(0, 167)) as number) as hours;
