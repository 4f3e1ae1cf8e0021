-- top_conversations_v1: Which conversations were the liveliest.
-- grain: one row per conversation with a message in the period, the liveliest first; at most top_n
-- scope: the period [since, until), UTC; until is data_through unless given
-- message_count counts system messages too, and no deleted ones; participant_count are the people who
-- wrote in the period, system messages aside; messages_per_day is message_count by the days asked,
-- (until - since) / 24 h, two decimals. sort_by is messages, participants, or activity (messages per
-- person who wrote, 0 where nobody did): descending, then by the others in this order, then by id.
create or replace macro metrics.top_conversations_v1(
    since timestamp,
    until timestamp := null,
    top_n := 10,
    sort_by := 'messages',
    visible_to := null,
    include_bots := true
) as table
    with written as (
        select
            found.conversation_key,
            case when not found.is_system then found.sender_key end as writer_key,
            sum(found.message_count) as message_count
        from
            core.message_window(
                since, coalesce(until, core.data_through()), null, null, visible_to, include_bots
            ) as found
        group by found.conversation_key, writer_key
    ),

    counted as (
        select
            written.conversation_key,
            sum(written.message_count) as message_count,
            count(written.writer_key) as participant_count
        from written
        group by written.conversation_key
    ),

    rated as (
        select
            counted.*,
            coalesce(counted.message_count / nullif(counted.participant_count, 0), 0) as activity
        from counted
    ),

    answer as (
        select
            conversations.conversation_id,
            conversations.conversation_type as type,
            conversations.title,
            cast(rated.message_count as bigint) as message_count,
            rated.participant_count,
            core.per_day_of(
                rated.message_count, epoch_us(coalesce(until, core.data_through())) - epoch_us(since)
            ) as messages_per_day,
            rated.activity
        from rated
        inner join core.conversations as conversations on rated.conversation_key = conversations.conversation_key
        union all by name
        select null as conversation_id
        from core.refused(core.is_window(since, coalesce(until, core.data_through())) and core.is_ranking(sort_by))
    )

    select
        answer.conversation_id,
        answer.type,
        answer.title,
        answer.message_count,
        answer.participant_count,
        answer.messages_per_day
    from answer
    order by
        case sort_by
            when 'participants' then answer.participant_count
            when 'activity' then answer.activity
            else answer.message_count
        end desc,
        answer.message_count desc,
        answer.participant_count desc,
        answer.activity desc,
        answer.conversation_id
    limit top_n;
