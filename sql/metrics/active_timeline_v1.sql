-- active_timeline_v1: How many people were active, wrote or only read, in each local day, week or month.
-- grain: one row per bucket that the period meets, oldest first
-- scope: the period from the start of its first bucket to until, UTC; active_7_days and active_30_days: the days before
-- needs: read_receipts for active_people, readers_only, active_7_days, active_30_days and stickiness
-- A person is active who wrote a message that is neither deleted nor a system message, or read one, one's own too:
-- it shows that the person was there. writers wrote, readers_only read and did not write. every is daily, weekly
-- (from Monday) or monthly, on the clock of the IANA time zone tz; buckets are those of message_timeline_v1, but the
-- first one is whole: what happened in it before since counts. active_7_days and active_30_days are the different
-- people of the 7 and 30 local days that end with the last day of the bucket, or with the day of until; the sum of
-- other days' people is neither. They are null until so many local days lie after the start of the first UTC day with
-- data, for a viewer with activity in the viewer's conversations. stickiness is the people of that last day in percent
-- of active_30_days, two decimals; null where the bucket is partial. Deleted accounts count. For a viewer all of this
-- is about what happened in the viewer's conversations.
create or replace macro metrics.active_timeline_v1(
    since timestamp,
    until timestamp := null,
    every := 'daily',
    tz := 'UTC',
    visible_to := null,
    include_bots := true
) as table
    with days as (
        select *
        from
            core.numbered_buckets(
                since := core.midnight_before(instant := since, days_back := 34),
                until := until,
                every := 'daily',
                tz := tz
            )
    ),

    sets as (
        select *
        from
            core.activity_sets(
                buckets := days,
                since := core.midnight_before(instant := since, days_back := 34),
                until := until,
                visible_to := visible_to,
                include_bots := include_bots
            )
    ),

    buckets as (
        select
            asked.bucket_at,
            asked.next_at,
            min(days.number) as first_number,
            max(days.number) as last_number
        from core.buckets(since := since, until := until, every := every, tz := tz) as asked
        inner join days on asked.bucket_at <= days.bucket_at and asked.next_at > days.bucket_at
        group by asked.bucket_at, asked.next_at
    ),

    parts as (
        select distinct part
        from sets
    ),

    -- every part on every day, so that the days of a window are rows
    days_and_parts as (
        select
            days.number,
            parts.part
        from days
        cross join parts
    ),

    recent as (
        select
            days_and_parts.number,
            bit_count(sets.active) as active_people,
            bit_count(bit_or(sets.active) over (
                partition by days_and_parts.part order by days_and_parts.number rows 6 preceding
            )) as active_7_days,
            bit_count(bit_or(sets.active) over (
                partition by days_and_parts.part order by days_and_parts.number rows 29 preceding
            )) as active_30_days
        from days_and_parts
        left join sets on days_and_parts.number = sets.number and days_and_parts.part = sets.part
    ),

    on_last_days as (
        select
            number,
            sum(active_people) as active_people,
            sum(active_7_days) as active_7_days,
            sum(active_30_days) as active_30_days
        from recent
        semi join buckets on recent.number = buckets.last_number
        group by number
    ),

    unions as (
        select
            buckets.bucket_at,
            sets.part,
            bit_or(sets.active) as active,
            bit_or(sets.sent) as sent
        from buckets
        inner join sets on buckets.first_number <= sets.number and buckets.last_number >= sets.number
        group by buckets.bucket_at, sets.part
    ),

    within as (
        select
            bucket_at,
            sum(bit_count(active)) as active_people,
            sum(bit_count(sent)) as writers
        from unions
        group by bucket_at
    ),

    coverage as (
        select core.covered_from(until := until, visible_to := visible_to) as covered_from
    ),

    people as (
        select
            buckets.bucket_at,
            buckets.next_at > core.end_of(until) as is_partial,
            coalesce(within.active_people, 0) as active_people,
            coalesce(within.writers, 0) as writers,
            coalesce(on_last_days.active_people, 0) as active_on_last_day,
            case
                when first_of_7.bucket_at >= coverage.covered_from then coalesce(on_last_days.active_7_days, 0)
            end as active_7_days,
            case
                when first_of_30.bucket_at >= coverage.covered_from then coalesce(on_last_days.active_30_days, 0)
            end as active_30_days
        from buckets
        cross join coverage
        inner join days as first_of_7 on buckets.last_number - 6 = first_of_7.number
        inner join days as first_of_30 on buckets.last_number - 29 = first_of_30.number
        left join within on buckets.bucket_at = within.bucket_at
        left join on_last_days on buckets.last_number = on_last_days.number
    )

    select
        people.bucket_at as "timestamp",
        case when core.is_available('read_receipts') then cast(people.active_people as bigint) end as active_people,
        cast(people.writers as bigint) as writers,
        case
            when core.is_available('read_receipts') then cast(people.active_people - people.writers as bigint)
        end as readers_only,
        case when core.is_available('read_receipts') then cast(people.active_7_days as bigint) end as active_7_days,
        case when core.is_available('read_receipts') then cast(people.active_30_days as bigint) end as active_30_days,
        case
            when core.is_available('read_receipts') and not people.is_partial and people.active_30_days is not null
                then core.percent_of(part := people.active_on_last_day, whole := people.active_30_days)
        end as stickiness,
        people.is_partial
    from people
    union all by name
    select
        errors.nothing as "timestamp",
        errors.nothing as active_people,
        errors.nothing as writers,
        errors.nothing as readers_only,
        errors.nothing as active_7_days,
        errors.nothing as active_30_days,
        errors.nothing as stickiness,
        errors.nothing as is_partial
    from core.errors_of(core.is_interval_of_days(every)) as errors
    order by "timestamp";
