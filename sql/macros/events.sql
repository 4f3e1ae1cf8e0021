-- event_rows: events of a period, counted by type, conversation and user.
-- grain: several rows per type, conversation and user; their counts add up
-- Whole UTC days come from the rollup, the ragged ends from the facts. Raises the errors of a period,
-- and that of events that are not available.
create or replace macro core.event_rows(since, until) as table
    select
        event_type,
        conversation_key,
        user_key,
        event_count
    from core.event_days
    where core.is_whole_day(utc_day := day, since := since, until := until)
    union all
    select
        event_type,
        conversation_key,
        user_key,
        1 as event_count
    from core.fact_events
    where core.is_on_ragged_day(instant := created_at, since := since, until := until)
    union all by name
    select errors.nothing as conversation_key
    from core.errors_of(core.is_period(since := since, until := until) and core.is_there('events')) as errors;

-- event_instants: events of a period, each by its instant.
-- grain: one row per event
create or replace macro core.event_instants(since, until) as table
    select
        event_type,
        conversation_key,
        user_key,
        created_at as instant_at,
        1 as row_count
    from core.fact_events
    where core.is_in_period(instant := created_at, since := since, until := until);
