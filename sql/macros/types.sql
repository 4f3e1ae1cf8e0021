-- Types of conversations: who writes and reads in each of them, in the buckets of a zone.

-- people_by_type: who wrote or read in each bucket, in which type of conversation.
-- grain: several rows per bucket, type and user
-- buckets names the numbered buckets of the period. For the whole site a mask tells whether somebody was active in the
-- whole quarter-hours of a bucket; quarter-hours that the period or a change of a clock cuts come from the facts. For a
-- viewer the first and the last activity of a UTC day, in each conversation, tell the buckets of that day, unless the
-- day has a bucket between its first and its last one, which comes from the facts.
create or replace macro core.people_by_type(buckets, since, until, visible_to) as table
    with inner_buckets as (
        select
            bucket_at,
            next_at
        from query_table(buckets)
        where date_trunc('day', bucket_at) < bucket_at and date_trunc('day', bucket_at) = date_trunc('day', next_at)
    ),

    by_instant as (
        select
            cut.conversation_key,
            cut.user_key,
            cut.instant_at
        from core.cut_activity(buckets := buckets, since := since, until := until) as cut
        where visible_to is null
        union all
        select
            enclosed.conversation_key,
            enclosed.user_key,
            enclosed.instant_at
        from core.activity_instants(since := since, until := until) as enclosed
        semi join core.conversations_of(visible_to) as scope on enclosed.conversation_key = scope.conversation_key
        semi join inner_buckets
            on enclosed.instant_at >= inner_buckets.bucket_at and enclosed.instant_at < inner_buckets.next_at
        where visible_to is not null
        union all
        select
            spans.conversation_key,
            spans.user_key,
            unnest([spans.first_at, spans.last_at]) as instant_at
        from core.activity_spans(since := since, until := until, visible_to := visible_to) as spans
        where visible_to is not null
    )

    select
        parts.bucket_at,
        days.conversation_type,
        days.user_key
    from core.user_type_days as days
    inner join core.bucket_parts(buckets := buckets, since := since, until := until) as parts on days.day = parts.day
    where
        visible_to is null
        and ((days.quarter_hours_low & parts.low_mask) | (days.quarter_hours_high & parts.high_mask)) <> 0
    union all
    select
        opened.bucket_at,
        conversations.conversation_type,
        by_instant.user_key
    from by_instant
    asof inner join query_table(buckets) as opened on by_instant.instant_at >= opened.bucket_at
    left join core.dim_conversations as conversations on by_instant.conversation_key = conversations.conversation_key;
