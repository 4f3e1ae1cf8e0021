-- reply_timeline_v1: How fast people reply to each other in each bucket of local time, without a gap.
-- grain: one row per bucket that the period meets, oldest first
-- scope: the period [since, until), UTC; until is data_through unless given
-- Replies, judged messages, pauses and rates are those of reply_times_v1, of all types of conversations together;
-- each reply and each message is in the bucket in which it was sent. half_seconds and nine_tenths_seconds are null
-- in a bucket without a reply; the rates are null in a bucket that begins within 24 hours of until, because its
-- messages cannot be judged yet. The half of a longer time is not an average of these: ask for longer buckets.
-- Buckets are those of message_timeline_v1.
create or replace macro metrics.reply_timeline_v1(
    since timestamp,
    until timestamp := null,
    every := 'daily',
    tz := 'UTC',
    for_conversation := null,
    visible_to := null
) as table
    with buckets as (
        select *
        from core.buckets(since := since, until := until, every := every, tz := tz)
    ),

    quarter_hours as (
        select *
        from core.quarter_hours_of_buckets(rows := buckets)
    ),

    counted as (
        select
            quarter_hours.bucket_at,
            count(outcomes.reply_seconds) as reply_count,
            quantile_disc(outcomes.reply_seconds, [0.5, 0.9]) as quantiles,
            count(*) filter (where core.is_judged(sent_at := outcomes.created_at, until := until)) as message_count,
            count(*) filter (
                where
                outcomes.answer_seconds < 3600
                and core.is_judged(sent_at := outcomes.created_at, until := until)
            ) as soon_count,
            count(outcomes.answer_seconds) filter (
                where core.is_judged(sent_at := outcomes.created_at, until := until)
            ) as answered_count
        from
            core.outcome_rows(
                since := since, until := until, for_conversation := for_conversation, visible_to := visible_to
            ) as outcomes
        inner join quarter_hours
            on
                core.quarter_hour_of(outcomes.created_at) = quarter_hours.quarter_at
                and outcomes.created_at >= quarter_hours.bucket_at
                and outcomes.created_at < quarter_hours.next_at
        group by quarter_hours.bucket_at
    )

    select
        buckets.bucket_at as "timestamp",
        coalesce(counted.reply_count, 0) as replies,
        cast(counted.quantiles[1] as bigint) as half_seconds,
        cast(counted.quantiles[2] as bigint) as nine_tenths_seconds,
        coalesce(counted.message_count, 0) as judged_messages,
        case
            when core.is_judged(sent_at := greatest(buckets.bucket_at, since), until := until)
                then
                    core.percent_of(
                        part := coalesce(counted.soon_count, 0), whole := coalesce(counted.message_count, 0)
                    )
        end as answered_in_1_hour_rate,
        case
            when core.is_judged(sent_at := greatest(buckets.bucket_at, since), until := until)
                then
                    core.percent_of(
                        part := coalesce(counted.answered_count, 0), whole := coalesce(counted.message_count, 0)
                    )
        end as answered_in_24_hours_rate,
        buckets.is_partial
    from buckets
    left join counted on buckets.bucket_at = counted.bucket_at
    order by buckets.bucket_at;
