-- read_rows: read receipts of a period, counted by conversation and reader.
-- grain: several rows per conversation and reader; their counts add up
-- Whole UTC days come from the rollup, the ragged ends from the facts. Raises the errors of a period.
create or replace macro core.read_rows(since, until) as table
    select
        conversation_key,
        user_key,
        read_count,
        first_at,
        last_at
    from core.read_days
    where core.is_whole_day(utc_day := day, since := since, until := until)
    union all
    select
        conversation_key,
        user_key,
        1 as read_count,
        read_at as first_at,
        read_at as last_at
    from core.fact_read_receipts
    where core.is_on_ragged_day(instant := read_at, since := since, until := until)
    union all by name
    select errors.nothing as conversation_key
    from core.period_errors(since := since, until := until) as errors;

-- own_read_rows: read receipts of a period of messages that the reader sent, counted by conversation and reader.
-- grain: several rows per conversation and reader; their counts add up
create or replace macro core.own_read_rows(since, until) as table
    select
        conversation_key,
        user_key,
        own_read_count as read_count
    from core.read_days
    where own_read_count > 0 and core.is_whole_day(utc_day := day, since := since, until := until)
    union all
    select
        receipts.conversation_key,
        receipts.user_key,
        1 as read_count
    from core.fact_read_receipts as receipts
    semi join core.fact_messages as messages
        on
            receipts.conversation_key = messages.conversation_key
            and receipts.user_key = messages.sender_key
            and receipts.message_created_at = messages.created_at
    where core.is_on_ragged_day(instant := receipts.read_at, since := since, until := until);

-- read_rows_before: read receipts before the end of a period, counted by conversation and reader; what was read in
-- the period counts.
-- grain: several rows per conversation and reader; their counts add up
-- Whole UTC days come from the rollup, the ragged ends from the facts, one by one; message_created_at is null in
-- the rows of the rollup, and own_read_count, the receipts of the reader's own messages, in those of the facts.
-- Raises the errors of a period.
create or replace macro core.read_rows_before(since, until) as table
    select
        conversation_key,
        user_key,
        case
            when core.is_whole_day(utc_day := day, since := since, until := until) then read_count else 0
        end as read_count,
        case
            when core.is_whole_day(utc_day := day, since := since, until := until) then own_read_count else 0
        end as own_read_count,
        null as message_created_at,
        last_at
    from core.read_days
    where core.is_whole_day_before(utc_day := day, until := until)
    union all
    select
        conversation_key,
        user_key,
        cast(read_at >= since as integer) as read_count,
        null as own_read_count,
        message_created_at,
        read_at as last_at
    from core.fact_read_receipts
    where core.is_on_ragged_day_before(instant := read_at, since := since, until := until)
    union all by name
    select errors.nothing as conversation_key
    from core.period_errors(since := since, until := until) as errors;

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
