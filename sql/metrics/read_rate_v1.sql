-- read_rate_v1: Which share of people's messages somebody else reads within 24 hours, and how soon.
-- grain: one row for all conversations, with conversation_type null, then one per type with a judged message
-- scope: the period [since, until), UTC; until is data_through unless given
-- needs: read_receipts for read_messages, read_rate and median_seconds
-- Only people count: messages of bots, system messages and deleted messages are not judged, and messages of one
-- person in one conversation in the same microsecond are one. Judged are messages sent in the period at least 24
-- hours before until, because nobody knows yet who will read the others. Such a message is read if somebody other
-- than its sender, no bot, has a receipt less than 24 hours after it; the messages of a conversation in the same
-- microsecond share their receipts. read_rate is read_messages in percent of judged_messages, two decimals; null
-- where the period ends within 24 hours of since. median_seconds is the time to the first such receipt that half
-- of the read messages do not exceed, in whole seconds, rounded down; null where none is read. Conversations of an
-- unknown type are in the first row only. For a conversation that the viewer may not see the result is one row of
-- zeros, as for an unknown one. read_through_v1 tells who has read the newest messages.
create or replace macro metrics.read_rate_v1(
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

    -- a message that nobody read has no seconds
    counted as (
        select
            outcomes.conversation_type,
            outcomes.read_seconds as seconds,
            count(*) as row_count
        from outcomes
        where core.is_judged(sent_at := outcomes.created_at, until := until)
        group by outcomes.conversation_type, outcomes.read_seconds
    ),

    read_pauses as (
        select *
        from counted
        where counted.seconds is not null
    ),

    parts as (
        select
            pauses.conversation_type,
            pauses.pause_count as read_count,
            pauses.half_seconds,
            0 as message_count
        from core.pauses_by_type(rows := read_pauses) as pauses
        union all by name
        select
            counted.conversation_type,
            sum(counted.row_count) as message_count
        from counted
        where counted.conversation_type is not null
        group by counted.conversation_type
        union all by name
        select
            null as conversation_type,
            sum(counted.row_count) as message_count
        from counted
        union all by name
        select errors.nothing as conversation_type
        from core.period_errors(since := since, until := until) as errors
    ),

    totals as (
        select
            parts.conversation_type,
            coalesce(sum(parts.message_count), 0) as message_count,
            coalesce(sum(parts.read_count), 0) as read_count,
            max(parts.half_seconds) as half_seconds
        from parts
        group by parts.conversation_type
    )

    select
        totals.conversation_type,
        cast(totals.message_count as bigint) as judged_messages,
        case when core.is_available('read_receipts') then cast(totals.read_count as bigint) end as read_messages,
        case
            when core.is_available('read_receipts') and core.is_judged(sent_at := since, until := until)
                then core.percent_of(part := totals.read_count, whole := totals.message_count)
        end as read_rate,
        case
            when core.is_available('read_receipts') then cast(totals.half_seconds as bigint)
        end as median_seconds
    from totals
    order by totals.conversation_type nulls first;
