-- message_timeline_v1: How many messages were sent in each bucket of local time, without a gap.
-- grain: one row per bucket that the period meets, oldest first
-- scope: the period [since, until), UTC; until is data_through unless given
-- every is hourly, daily, weekly (from Monday) or monthly, on the clock of the IANA time zone tz. A
-- bucket is named by its first instant, in UTC; is_partial is true where the period cuts it. Days have
-- 23, 24 or 25 hours; an hour that the clock shows twice is two buckets. Deleted messages are not counted,
-- system messages are, in the timeline of a person too.
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
    select
        found.bucket_at as "timestamp",
        found.message_count as "count",
        found.is_partial
    from
        core.messages_by_bucket(
            since := since,
            until := until,
            every := every,
            tz := tz,
            for_conversation := for_conversation,
            for_user := for_user,
            for_type := null,
            visible_to := visible_to,
            include_bots := include_bots,
            include_system := true,
            of_five := false
        ) as found
    order by found.bucket_at;
