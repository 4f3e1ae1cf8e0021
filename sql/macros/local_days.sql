-- Local days: who was active in which day, week or month of a time zone.
-- The masks of core.user_days tell the quarter-hours in which somebody was active, and a bucket of local time
-- consists of whole quarter-hours of UTC, but for those that its edges cut: the one that until cuts, and one in
-- which a clock changed. These come from the facts. For a viewer the rollups by conversation tell the first and
-- the last activity of each UTC day, and so every bucket in which it has any, because a UTC day meets two at most.
-- Buckets are numbered, and who was active in each is a set (sets.sql): the people of 7 or 30 days are the union of
-- so many sets, those who stayed are in two.

-- the UTC midnight so many days before the day of an instant
create or replace macro core.midnight_before(instant, days_back) as (
    date_trunc('day', instant) - to_days(cast(days_back as integer))
);

-- the UTC midnight before which nothing is asked of the bucket of an instant and the one before it
create or replace macro core.two_buckets_before(instant, every) as (
    core.midnight_before(
        instant := instant, days_back := case every when 'monthly' then 64 when 'weekly' then 16 else 4 end
    )
);

-- the number with the lowest bits set, so many
create or replace macro core.lowest_bits(amount) as (
    (cast(1 as ubigint) << cast(amount as ubigint)) - cast(1 as ubigint)
);

-- the mask of the quarter-hours from one number to before another, of the 48 of half a day
create or replace macro core.quarter_hour_mask(from_quarter_hour, to_quarter_hour) as (
    xor(
        core.lowest_bits(least(greatest(from_quarter_hour, 0), 48)),
        core.lowest_bits(least(greatest(to_quarter_hour, from_quarter_hour, 0), 48))
    )
);

-- how many masks of half a day have a quarter-hour of the hour with this place in it; an aggregate
create or replace macro core.people_of_hour(mask, place) as (
    sum(cast(mask & (cast(15 as ubigint) << cast(4 * place as ubigint)) <> 0 as integer))
);

-- active_quarter_hours: in which quarter-hours of a day somebody wrote or read.
-- grain: one row per UTC day and user
create or replace macro core.active_quarter_hours() as table
    select
        user_days.user_key,
        user_days.day,
        user_days.sent_quarter_hours_low | user_days.read_quarter_hours_low as low_mask,
        user_days.sent_quarter_hours_high | user_days.read_quarter_hours_high as high_mask
    from core.user_days as user_days;

-- numbered_buckets: the buckets that a period meets, numbered from 0 without a gap.
-- grain: one row per bucket
create or replace macro core.numbered_buckets(since, until, every, tz) as table
    select
        cast(row_number() over (order by buckets.bucket_at) - 1 as integer) as number,
        buckets.bucket_at,
        buckets.next_at,
        buckets.is_partial
    from core.buckets(since := since, until := until, every := every, tz := tz) as buckets;

-- bucket_parts: which quarter-hours of which UTC days lie in each bucket, all of them.
-- grain: one row per bucket and UTC day that it meets
-- buckets names numbered buckets of the period. place counts the buckets that a day meets, from 0.
create or replace macro core.bucket_parts(buckets, since, until) as table
    with parts as (
        select
            opened.number,
            opened.bucket_at,
            cast(opened.day_at as date) as day,
            datediff(
                'minute',
                opened.day_at,
                least(
                    greatest(
                        core.first_whole_quarter_hour(opened.bucket_at),
                        core.first_whole_quarter_hour(since),
                        opened.day_at
                    ),
                    opened.day_at + interval 1 day
                )
            ) // 15 as from_quarter_hour,
            datediff(
                'minute',
                opened.day_at,
                greatest(
                    least(
                        core.quarter_hour_of(opened.next_at),
                        core.end_of_whole_quarter_hours(since := since, until := until),
                        opened.day_at + interval 1 day
                    ),
                    opened.day_at
                )
            ) // 15 as to_quarter_hour,
            row_number() over (partition by opened.day_at order by opened.number) - 1 as place
        from (
            select
                number,
                bucket_at,
                next_at,
                unnest(generate_series(
                    date_trunc('day', bucket_at), next_at - interval 1 microsecond, interval 1 day
                )) as day_at
            from query_table(buckets)
        ) as opened
    )

    select
        number,
        bucket_at,
        day,
        place,
        core.quarter_hour_mask(
            from_quarter_hour := from_quarter_hour, to_quarter_hour := to_quarter_hour
        ) as low_mask,
        core.quarter_hour_mask(
            from_quarter_hour := from_quarter_hour - 48, to_quarter_hour := to_quarter_hour - 48
        ) as high_mask
    from parts;

-- day_parts: which buckets each UTC day meets, and with which of its quarter-hours.
-- grain: one row per UTC day
-- buckets names numbered days, weeks or months of the period, of which a UTC day meets two at most, in every zone. The
-- first one has the row's number, the second one the next.
create or replace macro core.day_parts(buckets, since, until) as table
    select
        day,
        min(number) as number,
        max(bucket_at) filter (where place = 1) as second_at,
        coalesce(max(low_mask) filter (where place = 0), 0) as first_low,
        coalesce(max(high_mask) filter (where place = 0), 0) as first_high,
        coalesce(max(low_mask) filter (where place = 1), 0) as second_low,
        coalesce(max(high_mask) filter (where place = 1), 0) as second_high
    from core.bucket_parts(buckets := buckets, since := since, until := until)
    group by day;

-- activity_bits: who wrote, and who wrote or read, in which buckets.
-- grain: several rows per user; bit 0 is the bucket of the row's number, bit 1 the next one
-- buckets names the numbered buckets of the period.
create or replace macro core.activity_bits(buckets, since, until, visible_to) as table
    with parts as (
        select *
        from core.day_parts(buckets := buckets, since := since, until := until)
    ),

    by_fact as (
        select
            cut.user_key,
            cut.instant_at,
            cut.is_sent
        from core.cut_activity(buckets := buckets, since := since, until := until) as cut
        where visible_to is null
    ),

    by_quarter_hour as (
        select
            user_days.user_key,
            parts.number,
            user_days.sent_quarter_hours_low as sent_low,
            user_days.sent_quarter_hours_high as sent_high,
            user_days.sent_quarter_hours_low | user_days.read_quarter_hours_low as active_low,
            user_days.sent_quarter_hours_high | user_days.read_quarter_hours_high as active_high,
            parts.first_low,
            parts.first_high,
            parts.second_low,
            parts.second_high
        from core.user_days as user_days
        inner join parts on user_days.day = parts.day
        where visible_to is null
    ),

    by_day as (
        select
            spans.user_key,
            parts.number,
            spans.is_sent,
            cast(coalesce(spans.first_at < parts.second_at, true) as utinyint)
            + 2 * cast(coalesce(spans.last_at >= parts.second_at, false) as utinyint) as bits
        from core.activity_spans(since := since, until := until, visible_to := visible_to) as spans
        inner join parts on cast(spans.first_at as date) = parts.day
        where visible_to is not null
    )

    select
        user_key,
        number,
        cast(((sent_low & first_low) | (sent_high & first_high)) <> 0 as utinyint)
        + 2 * cast(((sent_low & second_low) | (sent_high & second_high)) <> 0 as utinyint) as sent_bits,
        cast(((active_low & first_low) | (active_high & first_high)) <> 0 as utinyint)
        + 2 * cast(((active_low & second_low) | (active_high & second_high)) <> 0 as utinyint) as active_bits
    from by_quarter_hour
    union all
    select
        user_key,
        number,
        case when is_sent then bits else 0 end as sent_bits,
        bits as active_bits
    from by_day
    union all
    select
        by_fact.user_key,
        opened.number,
        cast(by_fact.is_sent as utinyint) as sent_bits,
        1 as active_bits
    from by_fact
    asof inner join query_table(buckets) as opened on by_fact.instant_at >= opened.bucket_at;

-- activity_sets: who wrote, and who wrote or read, in which buckets, as sets of people.
-- grain: one row per bucket and part of the sets in which somebody was active; sent is null where nobody wrote
-- buckets names the numbered buckets of the period.
create or replace macro core.activity_sets(buckets, since, until, visible_to, include_bots) as table
    with halves as (
        select
            found.number,
            core.part_of_set(found.user_key) as part,
            core.bits_of_set(case when found.active_bits & 1 <> 0 then found.user_key end) as first_active,
            core.bits_of_set(case when found.active_bits & 2 <> 0 then found.user_key end) as second_active,
            core.bits_of_set(case when found.sent_bits & 1 <> 0 then found.user_key end) as first_sent,
            core.bits_of_set(case when found.sent_bits & 2 <> 0 then found.user_key end) as second_sent
        from
            core.activity_bits(buckets := buckets, since := since, until := until, visible_to := visible_to) as found
        anti join core.bots_left_out(include_bots) as bots on found.user_key = bots.user_key
        group by found.number, part
    ),

    placed as (
        select
            number,
            part,
            first_active as active,
            first_sent as sent
        from halves
        where first_active is not null
        union all
        select
            number + 1 as number,
            part,
            second_active as active,
            second_sent as sent
        from halves
        where second_active is not null
    )

    select
        number,
        part,
        bit_or(active) as active,
        bit_or(sent) as sent
    from placed
    group by number, part;

-- the UTC day with which the data begin, as far as a viewer may see them; null where a viewer sees none
create or replace macro core.covered_from(until, visible_to) as (
    case
        when visible_to is null then core.data_from()
        else (
            select date_trunc('day', min(spans.first_at))
            from
                core.activity_spans(
                    since := timestamp '0001-01-01', until := until, visible_to := visible_to
                ) as spans
            where visible_to is not null
        )
    end
);

-- newcomers: who was active for the first time ever in which of the asked buckets, as sets of people.
-- grain: one row per bucket and part of the sets in which somebody is new
-- buckets names the asked ones of the numbered buckets, which follow each other.
create or replace macro core.newcomers(buckets, until, visible_to, include_bots) as table
    with firsts as (
        select
            user_key,
            first_at
        from core.user_firsts
        where visible_to is null
        union all
        select
            spans.user_key,
            min(spans.first_at) as first_at
        from
            core.activity_spans(since := timestamp '0001-01-01', until := until, visible_to := visible_to) as spans
        where visible_to is not null
        group by spans.user_key
    )

    select
        opened.number,
        core.part_of_set(firsts.user_key) as part,
        core.bits_of_set(firsts.user_key) as arrived
    from firsts
    asof inner join query_table(buckets) as opened on firsts.first_at >= opened.bucket_at
    anti join core.bots_left_out(include_bots) as bots on firsts.user_key = bots.user_key
    where firsts.first_at < core.end_of(until)
    group by opened.number, part;
