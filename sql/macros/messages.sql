-- message_rows: messages of a period that are not deleted, counted by conversation and sender.
-- grain: several rows per conversation, sender and is_system; their counts add up
-- Whole UTC days come from the rollup, the ragged ends from the facts. Raises the errors of a period.
create or replace macro core.message_rows(since, until) as table
    select
        conversation_key,
        sender_key as user_key,
        is_system,
        message_count,
        text_count,
        image_count,
        file_count,
        length_sum,
        measured_count,
        first_at,
        last_at
    from core.message_days
    where core.is_whole_day(utc_day := day, since := since, until := until)
    union all
    select
        conversation_key,
        sender_key as user_key,
        coalesce(message_type = 'system', false) as is_system,
        1 as message_count,
        cast(coalesce(message_type = 'text', false) as integer) as text_count,
        cast(coalesce(message_type = 'image', false) as integer) as image_count,
        cast(coalesce(message_type = 'file', false) as integer) as file_count,
        coalesce(content_length, 0) as length_sum,
        cast(content_length is not null as integer) as measured_count,
        created_at as first_at,
        created_at as last_at
    from core.fact_messages
    where
        core.is_on_ragged_day(instant := created_at, since := since, until := until)
        and deleted_at is null
    union all by name
    select errors.nothing as conversation_key
    from core.period_errors(since := since, until := until) as errors;

-- message_rows_before: messages before the end of a period that are neither deleted nor system messages, counted by
-- conversation and sender; what was sent in the period counts.
-- grain: several rows per conversation and sender; their counts add up
-- Whole UTC days come from the rollup, the ragged ends from the facts. Raises the errors of a period.
create or replace macro core.message_rows_before(since, until) as table
    select
        conversation_key,
        sender_key as user_key,
        case
            when core.is_whole_day(utc_day := day, since := since, until := until) then message_count else 0
        end as message_count,
        first_at,
        last_at
    from core.message_days
    where core.is_whole_day_before(utc_day := day, until := until) and not is_system
    union all
    select
        conversation_key,
        sender_key as user_key,
        cast(created_at >= since as integer) as message_count,
        created_at as first_at,
        created_at as last_at
    from core.fact_messages
    where
        core.is_on_ragged_day_before(instant := created_at, since := since, until := until)
        and deleted_at is null
        and message_type is distinct from 'system'
    union all by name
    select errors.nothing as conversation_key
    from core.period_errors(since := since, until := until) as errors;

-- message_instants: messages of a period that are not deleted, each by its instant.
-- grain: one row per message; if by_day, of whole UTC days one row per day, conversation, sender and is_system
-- Messages of a whole day have the instant of the first of them.
create or replace macro core.message_instants(since, until, by_day) as table
    select
        conversation_key,
        sender_key as user_key,
        is_system,
        first_at as instant_at,
        message_count as row_count
    from core.message_days
    where by_day and core.is_whole_day(utc_day := day, since := since, until := until)
    union all
    select
        conversation_key,
        sender_key as user_key,
        coalesce(message_type = 'system', false) as is_system,
        created_at as instant_at,
        1 as row_count
    from core.fact_messages
    where
        core.is_in_period(instant := created_at, since := since, until := until)
        and (not by_day or core.is_on_ragged_day(instant := created_at, since := since, until := until))
        and deleted_at is null;

-- messages_by_bucket: how many messages that are not deleted were sent in each bucket that a period meets.
-- grain: one row per bucket, oldest first
-- include_system: whether system messages count. of_five: whether only those conversations of a viewer count in which
-- five or more people are present. What is asked about the whole site comes from the rollup by
-- quarter-hour, in every zone. Raises the errors of a period, of every and of tz.
create or replace macro core.messages_by_bucket(
    since, until, every, tz, for_conversation, for_user, for_type, visible_to, include_bots, include_system, of_five
) as table
    with buckets as (
        select *
        from core.buckets(since := since, until := until, every := every, tz := tz)
    ),

    sent as (
        select *
        from
            core.message_instants(
                since := since, until := until, by_day := core.are_utc_days(every := every, tz := tz)
            )
    ),

    in_scope as (
        select
            found.instant_at,
            found.row_count
        from
            core.rows_in_scope(
                rows := sent,
                for_conversation := for_conversation,
                for_user := for_user,
                for_type := for_type,
                visible_to := visible_to,
                include_bots := include_bots
            ) as found
        anti join core.conversations_of_few(visible_to := visible_to, are_left_out := of_five) as few
            on found.conversation_key = few.conversation_key
        where include_system or not found.is_system
    ),

    quarter_hours as (
        select
            everything.quarter_at,
            everything.row_count
        from
            core.message_quarter_rows(
                since := since,
                until := until,
                for_type := for_type,
                include_bots := include_bots,
                include_system := include_system
            ) as everything
        where for_conversation is null and for_user is null and visible_to is null
        union all
        select
            found.quarter_at,
            found.row_count
        from core.by_quarter_hour(rows := in_scope) as found
        where not (for_conversation is null and for_user is null and visible_to is null)
    ),

    counted as (
        select
            buckets.bucket_at,
            sum(quarter_hours.row_count) as message_count
        from quarter_hours
        asof inner join buckets on quarter_hours.quarter_at >= buckets.bucket_at
        group by buckets.bucket_at
    )

    select
        buckets.bucket_at,
        cast(coalesce(counted.message_count, 0) as bigint) as message_count,
        buckets.is_partial
    from buckets
    left join counted on buckets.bucket_at = counted.bucket_at
    order by buckets.bucket_at;
