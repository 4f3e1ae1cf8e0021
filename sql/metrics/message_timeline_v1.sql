-- message_timeline_v1: How many messages were sent in each bucket of local time, without a gap.
-- grain: one row per bucket that the period meets, oldest first
-- scope: the period [since, until), UTC; until is data_through unless given
-- every is hourly, daily, weekly (from Monday) or monthly, of the clock of the IANA time zone tz. A
-- bucket is named by its first instant, in UTC; is_partial where the period cuts it. Days have 23, 24
-- or 25 hours; an hour that the clock shows twice is two buckets. Deleted messages are not counted. A
-- viewer who asks for a person he may not see gets the zeros of one who does not exist.
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
        from core.buckets(since, coalesce(until, core.data_through()), every, tz)
    ),

    counted as (
        select
            buckets.bucket_at,
            sum(found.message_count) as message_count
        from
            core.message_bucket_window(
                since,
                coalesce(until, core.data_through()),
                every,
                tz,
                for_conversation,
                for_user,
                visible_to,
                include_bots
            ) as found
        asof inner join buckets on found.counted_at >= buckets.bucket_at
        group by buckets.bucket_at
    ),

    answer as (
        select
            buckets.bucket_at as "timestamp",
            cast(coalesce(counted.message_count, 0) as bigint) as "count",
            buckets.bucket_at < since or buckets.next_at > coalesce(until, core.data_through()) as is_partial
        from buckets
        left join counted on buckets.bucket_at = counted.bucket_at
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
    order by "timestamp";
