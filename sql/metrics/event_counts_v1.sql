-- event_counts_v1: How many events of each type happened.
-- grain: one row per event type that occurred, the most frequent first, then by name
-- scope: the period [since, until), UTC; until is data_through unless given
-- needs: events
-- A viewer sees the events of their conversations, and of the events without a conversation their own.
create or replace macro metrics.event_counts_v1(
    since timestamp,
    until timestamp := null,
    visible_to := null,
    include_bots := true
) as table
    with events as (
        select *
        from core.event_rows(since := since, until := until)
    )

    select
        found.event_type,
        cast(sum(found.event_count) as bigint) as "count"
    from core.events_in_scope(rows := events, visible_to := visible_to, include_bots := include_bots) as found
    group by found.event_type
    order by "count" desc, found.event_type;
