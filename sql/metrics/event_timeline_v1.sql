-- event_timeline_v1: How many events of each type happened in each bucket of local time, without a gap.
-- grain: one row per bucket and event type that occurred in the period, oldest first, then by name
-- scope: the period [since, until), UTC; until is data_through unless given
-- needs: events
-- Buckets are those of message_timeline_v1; a viewer sees what event_counts_v1 counts.
create or replace macro metrics.event_timeline_v1(
    since timestamp,
    until timestamp := null,
    every := 'daily',
    tz := 'UTC',
    visible_to := null,
    include_bots := true
) as table
    with buckets as (
        select *
        from core.buckets(since := since, until := until, every := every, tz := tz)
    ),

    events as (
        select *
        from core.event_instants(since := since, until := until)
    ),

    in_scope as (
        select
            found.event_type,
            found.instant_at,
            found.row_count
        from core.events_in_scope(rows := events, visible_to := visible_to, include_bots := include_bots) as found
    ),

    quarter_hours as (
        select
            everything.event_type,
            everything.quarter_at,
            everything.row_count
        from core.event_quarter_rows(since := since, until := until) as everything
        where visible_to is null and include_bots
        union all
        select
            found.event_type,
            found.quarter_at,
            found.row_count
        from core.by_quarter_hour(rows := in_scope) as found
        where not (visible_to is null and include_bots)
    ),

    counted as (
        select
            buckets.bucket_at,
            quarter_hours.event_type,
            sum(quarter_hours.row_count) as event_count
        from quarter_hours
        asof inner join buckets on quarter_hours.quarter_at >= buckets.bucket_at
        group by buckets.bucket_at, quarter_hours.event_type
    ),

    types as (
        select distinct counted.event_type
        from counted
        union all
        select errors.nothing as event_type
        from core.errors_of(core.is_there('events')) as errors
    )

    select
        buckets.bucket_at as "timestamp",
        types.event_type,
        cast(coalesce(counted.event_count, 0) as bigint) as "count",
        buckets.is_partial
    from buckets
    cross join types
    left join counted
        on buckets.bucket_at = counted.bucket_at and types.event_type is not distinct from counted.event_type
    order by buckets.bucket_at, types.event_type;
