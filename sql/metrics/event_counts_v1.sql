-- event_counts_v1: How many events of which type happened.
-- grain: one row per event type that occurred, the most frequent first, then by name
-- scope: the period [since, until), UTC; until is data_through unless given
-- A viewer sees the events of his conversations, and of those without a conversation his own.
create or replace macro metrics.event_counts_v1(
    since timestamp,
    until timestamp := null,
    visible_to := null,
    include_bots := true
) as table
    with answer as (
        select
            found.event_type,
            cast(sum(found.event_count) as bigint) as "count"
        from core.event_window(since, coalesce(until, core.data_through()), visible_to, include_bots) as found
        group by found.event_type
    )

    select *
    from answer
    union all by name
    select null as event_type
    from core.refused(core.is_window(since, coalesce(until, core.data_through())))
    order by "count" desc, event_type;
