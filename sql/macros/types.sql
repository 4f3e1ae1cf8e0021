-- Types of conversations: what is written and read in each of them, and by whom, in the buckets of a zone.

-- read_quarter_rows: all read receipts of a period, of the whole site, by type of conversation and quarter-hour.
-- grain: one row per quarter-hour, or part of one, conversation_type and is_bot, and one per read of the ragged ends
create or replace macro core.read_quarter_rows(since, until, include_bots) as table
    select
        whole.quarter_at,
        whole.conversation_type,
        whole.read_count as row_count
    from core.read_quarter_hours as whole
    where
        core.is_in_whole_quarter_hour(instant := whole.quarter_at, since := since, until := until)
        and (include_bots or not whole.is_bot)
    union all
    select
        ragged.read_at as quarter_at,
        conversations.conversation_type,
        1 as row_count
    from core.fact_read_receipts as ragged
    left join core.dim_conversations as conversations on ragged.conversation_key = conversations.conversation_key
    anti join core.bots_left_out(include_bots) as bots on ragged.user_key = bots.user_key
    where core.is_in_ragged_quarter_hour(instant := ragged.read_at, since := since, until := until);

-- read_instants: read receipts of a period, each by its instant.
-- grain: one row per read; if by_day, of whole UTC days one row per day, conversation and reader
-- Reads of a whole day have the instant of the first of them.
create or replace macro core.read_instants(since, until, by_day) as table
    select
        conversation_key,
        user_key,
        first_at as instant_at,
        read_count as row_count
    from core.read_days
    where by_day and core.is_whole_day(utc_day := day, since := since, until := until)
    union all
    select
        conversation_key,
        user_key,
        read_at as instant_at,
        1 as row_count
    from core.fact_read_receipts
    where
        core.is_in_period(instant := read_at, since := since, until := until)
        and (not by_day or core.is_on_ragged_day(instant := read_at, since := since, until := until));

-- activity_of_people: what people wrote, deleted and system messages aside, and read in a period, by its instant.
-- grain: one row per message and per read
create or replace macro core.activity_of_people(since, until) as table
    select
        conversation_key,
        sender_key as user_key,
        created_at as instant_at
    from core.fact_messages
    where
        core.is_in_period(instant := created_at, since := since, until := until)
        and deleted_at is null
        and message_type is distinct from 'system'
        and sender_key is not null
    union all
    select
        conversation_key,
        user_key,
        read_at as instant_at
    from core.fact_read_receipts
    where core.is_in_period(instant := read_at, since := since, until := until) and user_key is not null;

-- people_by_type: who wrote or read in each bucket, in which type of conversation.
-- grain: several rows per bucket, type and user
-- buckets names the buckets of the period. For the whole site a mask tells whether somebody was active in the whole
-- quarter-hours of a bucket; quarter-hours that the period or a change of a clock cuts come from the facts. For a
-- viewer the first and the last activity of a UTC day, in each conversation, tell the buckets of that day, unless the
-- day has a bucket between its first and its last one, which comes from the facts.
create or replace macro core.people_by_type(buckets, since, until, visible_to) as table
    with cut as (
        select
            bucket_at,
            core.first_whole_quarter_hour(greatest(bucket_at, since)) as from_at,
            core.quarter_hour_of(least(next_at, core.end_of(until))) as to_at
        from query_table(buckets)
    ),

    parts as (
        select
            cut.bucket_at,
            unnest(
                generate_series(date_trunc('day', cut.from_at), cut.to_at - interval 1 microsecond, interval 1 day)
            ) as day_at,
            cut.from_at,
            cut.to_at
        from cut
        where cut.from_at < cut.to_at
    ),

    masks as (
        select
            numbered.bucket_at,
            numbered.day,
            core.quarter_hour_mask(
                from_quarter_hour := numbered.from_number, to_quarter_hour := numbered.to_number
            ) as low_mask,
            core.quarter_hour_mask(
                from_quarter_hour := numbered.from_number - 48, to_quarter_hour := numbered.to_number - 48
            ) as high_mask
        from (
            select
                parts.bucket_at,
                cast(parts.day_at as date) as day,
                datediff('minute', parts.day_at, greatest(parts.from_at, parts.day_at)) // 15 as from_number,
                datediff('minute', parts.day_at, least(parts.to_at, parts.day_at + interval 1 day)) // 15 as to_number
            from parts
        ) as numbered
    ),

    cut_quarter_hours as (
        select core.quarter_hour_of(bucket_at) as quarter_at
        from query_table(buckets)
        where bucket_at <> core.quarter_hour_of(bucket_at)
    ),

    inner_buckets as (
        select
            bucket_at,
            next_at
        from query_table(buckets)
        where date_trunc('day', bucket_at) < bucket_at and date_trunc('day', bucket_at) = date_trunc('day', next_at)
    ),

    by_instant as (
        select
            ragged.conversation_key,
            ragged.user_key,
            ragged.instant_at
        from core.activity_of_people(since := since, until := until) as ragged
        where
            visible_to is null
            and core.is_in_ragged_quarter_hour(instant := ragged.instant_at, since := since, until := until)
        union all
        select
            crossed.conversation_key,
            crossed.user_key,
            crossed.instant_at
        from core.activity_of_people(since := since, until := until) as crossed
        semi join cut_quarter_hours on core.quarter_hour_of(crossed.instant_at) = cut_quarter_hours.quarter_at
        where visible_to is null
        union all
        select
            enclosed.conversation_key,
            enclosed.user_key,
            enclosed.instant_at
        from core.activity_of_people(since := since, until := until) as enclosed
        semi join core.conversations_of(visible_to) as scope on enclosed.conversation_key = scope.conversation_key
        semi join inner_buckets
            on enclosed.instant_at >= inner_buckets.bucket_at and enclosed.instant_at < inner_buckets.next_at
        where visible_to is not null
        union all
        select
            sent.conversation_key,
            sent.user_key,
            unnest([sent.first_at, sent.last_at]) as instant_at
        from core.message_rows(since := since, until := until) as sent
        semi join core.conversations_of(visible_to) as scope on sent.conversation_key = scope.conversation_key
        where visible_to is not null and not sent.is_system and sent.user_key is not null
        union all
        select
            received.conversation_key,
            received.user_key,
            unnest([received.first_at, received.last_at]) as instant_at
        from core.read_rows(since := since, until := until) as received
        semi join core.conversations_of(visible_to) as scope on received.conversation_key = scope.conversation_key
        where visible_to is not null and received.user_key is not null
    )

    select
        masks.bucket_at,
        days.conversation_type,
        days.user_key
    from core.user_type_days as days
    inner join masks on days.day = masks.day
    where
        visible_to is null
        and ((days.quarter_hours_low & masks.low_mask) <> 0 or (days.quarter_hours_high & masks.high_mask) <> 0)
    union all
    select
        opened.bucket_at,
        conversations.conversation_type,
        by_instant.user_key
    from by_instant
    asof inner join query_table(buckets) as opened on by_instant.instant_at >= opened.bucket_at
    left join core.dim_conversations as conversations on by_instant.conversation_key = conversations.conversation_key;
