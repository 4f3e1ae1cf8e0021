-- message_heatmap_v1: At which hours of the week messages are sent, on the clock of a time zone.
-- grain: one row per weekday (1 = Monday to 7 = Sunday) and hour of the local clock (0 to 23), in this order: 168 rows
-- scope: the period [since, until), UTC; until is data_through unless given
-- messages includes system messages, unless include_system is false, and excludes deleted ones: its sum is
-- total_messages of message_stats_v1. occurrences is how many hours of this weekday and time the period meets, cut
-- ones included: an hour that the clock skips is none, and one that it shows twice is two, as in
-- message_timeline_v2. per_occurrence is messages divided by occurrences, two decimals: compare hours by it, because
-- a month has some weekdays five times and others four times. For a viewer only those conversations count in which
-- five or more people are present now, accounts that are neither bots nor deleted; message_stats_v1 of these
-- conversations has the sum.
create or replace macro metrics.message_heatmap_v1(
    since timestamp,
    until timestamp := null,
    tz := 'UTC',
    for_conversation := null,
    visible_to := null,
    include_bots := true,
    include_system := true
) as table
    with hours as (
        select
            isodow(found.bucket_at + zones.shift) as weekday,
            hour(found.bucket_at + zones.shift) as "hour",
            count(*) as occurrences,
            sum(found.message_count) as message_count
        from
            core.messages_by_bucket(
                since := since,
                until := until,
                every := 'hourly',
                tz := tz,
                for_conversation := for_conversation,
                for_user := null,
                for_type := null,
                visible_to := visible_to,
                include_bots := include_bots,
                include_system := coalesce(include_system, true),
                of_five := true
            ) as found
        inner join core.zone_spans(since := since, until := until, tz := tz) as zones
            on found.bucket_at >= zones.from_utc and found.bucket_at < zones.to_utc
        group by all
    ),

    cells as (
        select
            week.weekday,
            week."hour",
            cast(coalesce(hours.message_count, 0) as bigint) as messages,
            coalesce(hours.occurrences, 0) as occurrences,
            core.ratio_of(
                part := coalesce(hours.message_count, 0), whole := coalesce(hours.occurrences, 0)
            ) as per_occurrence
        from core.hours_of_week() as week
        left join hours on week.weekday = hours.weekday and week."hour" = hours."hour"
    )

    select *
    from cells
    union all by name
    select
        errors.nothing as weekday,
        null as "hour",
        null as messages,
        null as occurrences,
        null as per_occurrence
    from core.period_errors(since := since, until := until) as errors
    order by weekday, "hour";
