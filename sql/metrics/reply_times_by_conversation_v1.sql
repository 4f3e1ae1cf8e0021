-- reply_times_by_conversation_v1: In which conversations people reply to each other the most, and how fast.
-- grain: one row per conversation with a reply and five people, the most replies first, then by id; at most top_n
-- scope: the period [since, until), UTC; until is data_through unless given
-- Replies, judged messages, pauses and rates are those of reply_times_v1. Conversations in which fewer than five
-- people are present now are left out: their pauses would be those of single people. Counted for this are accounts
-- that are neither bots nor deleted.
create or replace macro metrics.reply_times_by_conversation_v1(
    since timestamp,
    until timestamp := null,
    top_n := 10,
    visible_to := null
) as table
    with outcomes as (
        select found.*
        from
            core.outcome_rows(since := since, until := until, for_conversation := null, visible_to := visible_to)
                as found
        semi join core.conversations_of_five(visible_to) as shown on found.conversation_key = shown.conversation_key
    ),

    replied as (
        select
            outcomes.conversation_key,
            count(*) as reply_count
        from outcomes
        where outcomes.reply_seconds is not null
        group by outcomes.conversation_key
        union all by name
        select errors.nothing as conversation_key
        from core.period_errors(since := since, until := until) as errors
    ),

    ranked as (
        select
            conversations.*,
            replied.reply_count
        from replied
        inner join core.dim_conversations as conversations on replied.conversation_key = conversations.conversation_key
        order by replied.reply_count desc, conversations.conversation_id
        limit top_n
    ),

    counted as (
        select
            outcomes.conversation_key,
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
        from outcomes
        semi join ranked on outcomes.conversation_key = ranked.conversation_key
        group by outcomes.conversation_key
    )

    select
        ranked.conversation_id,
        ranked.conversation_type as type,
        ranked.title,
        ranked.reply_count as replies,
        cast(counted.quantiles[1] as bigint) as half_seconds,
        cast(counted.quantiles[2] as bigint) as nine_tenths_seconds,
        counted.message_count as judged_messages,
        case
            when core.is_judged(sent_at := since, until := until)
                then core.percent_of(part := counted.soon_count, whole := counted.message_count)
        end as answered_in_1_hour_rate,
        case
            when core.is_judged(sent_at := since, until := until)
                then core.percent_of(part := counted.answered_count, whole := counted.message_count)
        end as answered_in_24_hours_rate
    from ranked
    inner join counted on ranked.conversation_key = counted.conversation_key
    order by ranked.reply_count desc, ranked.conversation_id;
