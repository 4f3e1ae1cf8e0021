-- reply_times_v1: How fast people reply to each other, and which share of their messages is answered.
-- grain: one row for all conversations, with conversation_type null, then one per type with a reply or a judged message
-- scope: the period [since, until), UTC; until is data_through unless given
-- Only people count: bots, system messages and deleted messages neither reply nor stop the clock, and messages of
-- one person in one conversation in the same microsecond are one. A message is a reply if at the latest earlier
-- instant of its conversation somebody else wrote, less than 24 hours before; replies counts those sent in the
-- period, also where that instant lies before since. half_seconds and nine_tenths_seconds are the pauses that
-- half and nine tenths of the replies do not exceed, in whole seconds, rounded down; null without a reply. There
-- is no mean and no 99th percentile: nights and the limit of 24 hours decide them. Judged are messages sent in
-- the period at least 24 hours before until; such a message is answered at the first later instant at which
-- somebody else writes in its conversation. The rates are in percent of judged_messages, two decimals, and mean
-- less than 1 and less than 24 hours; null where the period ends within 24 hours of since. relative_error is the
-- largest possible error of the seconds in percent: 0, because they are exact in a period of any length.
-- Conversations of an unknown type are in the first row only. For a conversation that the viewer may not see the
-- result is one row of zeros, as for an unknown one.
create or replace macro metrics.reply_times_v1(
    since timestamp,
    until timestamp := null,
    for_conversation := null,
    visible_to := null
) as table
    with outcomes as (
        select *
        from
            core.outcome_rows(
                since := since, until := until, for_conversation := for_conversation, visible_to := visible_to
            )
    ),

    reply_pauses as (
        select
            outcomes.conversation_type,
            outcomes.reply_seconds as seconds,
            count(*) as row_count
        from outcomes
        where outcomes.reply_seconds is not null
        group by outcomes.conversation_type, outcomes.reply_seconds
    ),

    judged as (
        select
            outcomes.conversation_type,
            count(*) as message_count,
            count(*) filter (where outcomes.answer_seconds < 3600) as soon_count,
            count(outcomes.answer_seconds) as answered_count
        from outcomes
        where core.is_judged(sent_at := outcomes.created_at, until := until)
        group by outcomes.conversation_type
    ),

    parts as (
        select
            pauses.conversation_type,
            pauses.pause_count,
            pauses.half_seconds,
            pauses.nine_tenths_seconds
        from core.pauses_by_type(rows := reply_pauses) as pauses
        union all by name
        select
            judged.conversation_type,
            judged.message_count,
            judged.soon_count,
            judged.answered_count
        from judged
        where judged.conversation_type is not null
        union all by name
        select
            null as conversation_type,
            sum(judged.message_count) as message_count,
            sum(judged.soon_count) as soon_count,
            sum(judged.answered_count) as answered_count
        from judged
        union all by name
        select errors.nothing as conversation_type
        from core.period_errors(since := since, until := until) as errors
    ),

    totals as (
        select
            parts.conversation_type,
            coalesce(sum(parts.pause_count), 0) as reply_count,
            max(parts.half_seconds) as half_seconds,
            max(parts.nine_tenths_seconds) as nine_tenths_seconds,
            coalesce(sum(parts.message_count), 0) as message_count,
            coalesce(sum(parts.soon_count), 0) as soon_count,
            coalesce(sum(parts.answered_count), 0) as answered_count
        from parts
        group by parts.conversation_type
    )

    select
        totals.conversation_type,
        cast(totals.reply_count as bigint) as replies,
        cast(totals.half_seconds as bigint) as half_seconds,
        cast(totals.nine_tenths_seconds as bigint) as nine_tenths_seconds,
        cast(totals.message_count as bigint) as judged_messages,
        case
            when core.is_judged(sent_at := since, until := until)
                then core.percent_of(part := totals.soon_count, whole := totals.message_count)
        end as answered_in_1_hour_rate,
        case
            when core.is_judged(sent_at := since, until := until)
                then core.percent_of(part := totals.answered_count, whole := totals.message_count)
        end as answered_in_24_hours_rate,
        cast(0 as decimal(18, 2)) as relative_error
    from totals
    order by totals.conversation_type nulls first;
