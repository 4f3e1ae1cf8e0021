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

-- message_instants: messages of a period that are not deleted, each by its instant.
-- grain: one row per message; if by_day, of whole UTC days one row per day, conversation, sender and is_system
-- Messages of a whole day have the instant of the first of them.
create or replace macro core.message_instants(since, until, by_day) as table
    select
        conversation_key,
        sender_key as user_key,
        first_at as instant_at,
        message_count as row_count
    from core.message_days
    where by_day and core.is_whole_day(utc_day := day, since := since, until := until)
    union all
    select
        conversation_key,
        sender_key as user_key,
        created_at as instant_at,
        1 as row_count
    from core.fact_messages
    where
        core.is_in_period(instant := created_at, since := since, until := until)
        and (not by_day or core.is_on_ragged_day(instant := created_at, since := since, until := until))
        and deleted_at is null;
