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
