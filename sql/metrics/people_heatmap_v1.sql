-- people_heatmap_v1: At which hours of the week people are active, on the clock of a time zone.
-- grain: one row per weekday (1 = Monday to 7 = Sunday) and hour of the local clock (0 to 23), in this order: 168 rows
-- scope: the period [since, until), UTC; until is data_through unless given
-- needs: read_receipts for people and per_occurrence
-- A person is active as in active_timeline_v1. occurrences are those of message_heatmap_v1. people are the different
-- people of each occurrence, added up: who is active on two Mondays at 9 counts twice, as active_any of active_users_v1
-- over these two hours adds up; over a week it is the number of different people. per_occurrence is people divided by
-- occurrences, two decimals: how many people are active then on average. For a viewer only those conversations count
-- in which five or more people are present now, accounts that are neither bots nor deleted.
create or replace macro metrics.people_heatmap_v1(
    since timestamp,
    until timestamp := null,
    tz := 'UTC',
    for_conversation := null,
    visible_to := null,
    include_bots := true
) as table
    with hours as (
        select *
        from core.numbered_buckets(since := since, until := until, every := 'hourly', tz := tz)
    ),

    placed as (
        select
            hours.bucket_at,
            hours.number,
            isodow(hours.bucket_at + zones.shift) as weekday,
            hour(hours.bucket_at + zones.shift) as "hour",
            cast(hours.bucket_at as date) as day,
            -- 60 minutes of one UTC day, all of their quarter-hours in the period: the masks alone tell their people
            date_trunc('day', hours.bucket_at) = date_trunc('day', hours.next_at - interval 1 microsecond)
            and hours.next_at = hours.bucket_at + interval 1 hour
            and hours.bucket_at = core.quarter_hour_of(hours.bucket_at)
            -- the hours of a day begin at the same minute, but for some of a day on which the clock changes
            and minute(hours.bucket_at) = min(minute(hours.bucket_at))
                over (
                    partition by cast(hours.bucket_at as date)
                )
            and hours.bucket_at >= core.first_whole_quarter_hour(since)
            and hours.next_at <= core.end_of_whole_quarter_hours(since := since, until := until) as is_whole
        from hours
        inner join core.zone_spans(since := since, until := until, tz := tz) as zones
            on hours.bucket_at >= zones.from_utc and hours.bucket_at < zones.to_utc
    ),

    cut_parts as (
        select
            parts.day,
            parts.low_mask,
            parts.high_mask,
            placed.number
        from core.bucket_parts(buckets := hours, since := since, until := until) as parts
        inner join placed on parts.number = placed.number
        where not placed.is_whole
    ),

    days as (
        select
            day,
            cast(min(minute(bucket_at)) // 15 as ubigint) as quarter_hours
        from placed
        where is_whole
        group by day
    ),

    everything as (
        select
            conversation_key,
            user_key,
            instant_at,
            1 as row_count
        from core.activity_instants(since := since, until := until)
    ),

    in_scope as (
        select
            found.user_key,
            found.instant_at,
            found.row_count
        from
            core.rows_in_scope(
                rows := everything,
                for_conversation := for_conversation,
                visible_to := visible_to,
                include_bots := include_bots
            ) as found
        anti join core.conversations_of_few(visible_to := visible_to, are_left_out := visible_to is not null) as few
            on found.conversation_key = few.conversation_key
        where for_conversation is not null or visible_to is not null
    ),

    by_fact as (
        select
            scoped.user_key,
            scoped.quarter_at as instant_at
        from core.by_quarter_hour(rows := in_scope) as scoped
        union all
        select
            cut.user_key,
            cut.instant_at
        from core.cut_activity(buckets := hours, since := since, until := until) as cut
        anti join core.bots_left_out(include_bots) as bots on cut.user_key = bots.user_key
        where visible_to is null and for_conversation is null
    ),

    -- everybody of the hours that the masks alone do not tell
    present as (
        select
            placed.number,
            by_fact.user_key
        from by_fact
        asof inner join placed on by_fact.instant_at >= placed.bucket_at
        union
        select
            cut_parts.number,
            masks.user_key
        from core.active_quarter_hours() as masks
        inner join cut_parts on masks.day = cut_parts.day
        anti join core.bots_left_out(include_bots) as bots on masks.user_key = bots.user_key
        where
            visible_to is null
            and for_conversation is null
            and ((masks.low_mask & cut_parts.low_mask) | (masks.high_mask & cut_parts.high_mask)) <> 0
    ),

    -- the masks from the minute on at which the day's hours begin
    shifted as (
        select
            masks.day,
            (masks.low_mask >> days.quarter_hours)
            | ((masks.high_mask & core.lowest_bits(days.quarter_hours)) << (48 - days.quarter_hours)) as low_mask,
            masks.high_mask >> days.quarter_hours as high_mask
        from core.active_quarter_hours() as masks
        inner join days on masks.day = days.day
        anti join core.bots_left_out(include_bots) as bots on masks.user_key = bots.user_key
        where visible_to is null and for_conversation is null
    ),

    by_hour as (
        select
            day,
            [
                core.people_of_hour(mask := low_mask, place := 0),
                core.people_of_hour(mask := low_mask, place := 1),
                core.people_of_hour(mask := low_mask, place := 2),
                core.people_of_hour(mask := low_mask, place := 3),
                core.people_of_hour(mask := low_mask, place := 4),
                core.people_of_hour(mask := low_mask, place := 5),
                core.people_of_hour(mask := low_mask, place := 6),
                core.people_of_hour(mask := low_mask, place := 7),
                core.people_of_hour(mask := low_mask, place := 8),
                core.people_of_hour(mask := low_mask, place := 9),
                core.people_of_hour(mask := low_mask, place := 10),
                core.people_of_hour(mask := low_mask, place := 11),
                core.people_of_hour(mask := high_mask, place := 0),
                core.people_of_hour(mask := high_mask, place := 1),
                core.people_of_hour(mask := high_mask, place := 2),
                core.people_of_hour(mask := high_mask, place := 3),
                core.people_of_hour(mask := high_mask, place := 4),
                core.people_of_hour(mask := high_mask, place := 5),
                core.people_of_hour(mask := high_mask, place := 6),
                core.people_of_hour(mask := high_mask, place := 7),
                core.people_of_hour(mask := high_mask, place := 8),
                core.people_of_hour(mask := high_mask, place := 9),
                core.people_of_hour(mask := high_mask, place := 10),
                core.people_of_hour(mask := high_mask, place := 11)
            ] as people
        from shifted
        group by day
    ),

    counted as (
        select
            placed.weekday,
            placed."hour",
            count(*) as people
        from present
        inner join placed on present.number = placed.number
        group by placed.weekday, placed."hour"
        union all
        select
            placed.weekday,
            placed."hour",
            sum(by_hour.people[hour(placed.bucket_at) + 1]) as people
        from placed
        inner join by_hour on placed.day = by_hour.day
        where placed.is_whole
        group by placed.weekday, placed."hour"
    ),

    active as (
        select
            weekday,
            "hour",
            sum(people) as people
        from counted
        group by weekday, "hour"
    ),

    met as (
        select
            weekday,
            "hour",
            count(*) as occurrences
        from placed
        group by weekday, "hour"
    )

    select
        week.weekday,
        week."hour",
        case
            when core.is_available('read_receipts') then cast(coalesce(active.people, 0) as bigint)
        end as people,
        coalesce(met.occurrences, 0) as occurrences,
        case
            when core.is_available('read_receipts')
                then core.ratio_of(part := coalesce(active.people, 0), whole := coalesce(met.occurrences, 0))
        end as per_occurrence
    from core.hours_of_week() as week
    left join active on week.weekday = active.weekday and week."hour" = active."hour"
    left join met on week.weekday = met.weekday and week."hour" = met."hour"
    order by week.weekday, week."hour";
