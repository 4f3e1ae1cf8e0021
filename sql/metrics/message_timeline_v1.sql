-- message_timeline_v1: How many messages were sent in each bucket of local time, without a gap.
-- grain: one row per bucket that the period meets, oldest first
-- scope: the period [since, until), UTC; until is data_through unless given
-- every is hourly, daily, weekly (from Monday) or monthly, on the clock of the IANA time zone tz. A
-- bucket is named by its first instant, in UTC; is_partial is true where the period cuts it. Days have
-- 23, 24 or 25 hours; an hour that the clock shows twice is two buckets. Deleted messages are not counted.
-- For a person whom the viewer may not see all counts are zero, as for an unknown user.
create or replace macro metrics.message_timeline_v1(
    since timestamp,
    until timestamp := null,
    every := 'daily',
    tz := 'UTC',
    for_conversation := null,
    for_user := null,
    visible_to := null,
    include_bots := true
) as table
    with buckets as (
        select *
        from core.buckets(since := since, until := until, every := every, tz := tz)
    ),

    sent as not materialized (
        select *
        from
            core.message_instants(
                since := since, until := until, by_day := core.are_utc_days(every := every, tz := tz)
            )
    ),

    in_scope as not materialized (
        select
            found.instant_at,
            found.row_count
        from
            core.rows_in_scope(
                rows := sent,
                for_conversation := for_conversation,
                for_user := for_user,
                visible_to := visible_to,
                include_bots := include_bots
            ) as found
    ),

    quarter_hours as (
        select
            everything.quarter_at,
            everything.row_count
        from core.message_quarter_rows(since := since, until := until) as everything
        where for_conversation is null and for_user is null and visible_to is null and include_bots
        union all
        select
            found.quarter_at,
            found.row_count
        from core.by_quarter_hour(rows := in_scope) as found
        where not (for_conversation is null and for_user is null and visible_to is null and include_bots)
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
        buckets.bucket_at as "timestamp",
        cast(coalesce(counted.message_count, 0) as bigint) as "count",
        buckets.is_partial
    from buckets
    left join counted on buckets.bucket_at = counted.bucket_at
    order by buckets.bucket_at;
