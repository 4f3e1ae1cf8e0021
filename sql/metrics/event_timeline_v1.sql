-- event_timeline_v1: How many events of each type happened in each bucket of local time, without a gap.
-- grain: one row per bucket and event type that occurred in the period, oldest first, then by name
-- scope: the period [since, until), UTC; until is data_through unless given
-- Buckets as in message_timeline_v1, what a viewer sees as in event_counts_v1.
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
        from core.buckets(since, coalesce(until, core.data_through()), every, tz)
    ),

    counted as (
        select
            buckets.bucket_at,
            found.event_type,
            sum(found.event_count) as event_count
        from core.event_quarter_window(since, coalesce(until, core.data_through()), visible_to, include_bots) as found
        asof inner join buckets on found.quarter_at >= buckets.bucket_at
        group by buckets.bucket_at, found.event_type
    ),

    types as (
        select distinct counted.event_type
        from counted
    ),

    answer as (
        select
            buckets.bucket_at as "timestamp",
            types.event_type,
            cast(coalesce(counted.event_count, 0) as bigint) as "count",
            buckets.bucket_at < since or buckets.next_at > coalesce(until, core.data_through()) as is_partial
        from buckets
        cross join types
        left join counted
            on buckets.bucket_at = counted.bucket_at and types.event_type is not distinct from counted.event_type
    )

    select *
    from answer
    union all by name
    select null as "timestamp"
    from
        core.refused(
            core.is_window(since, coalesce(until, core.data_through()))
            and core.is_interval(every)
            and core.is_zone(tz)
        )
    order by "timestamp", event_type;
