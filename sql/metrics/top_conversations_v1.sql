-- top_conversations_v1: Which conversations were the most active.
-- grain: one row per conversation with a message in the period, the most active first; at most top_n
-- scope: the period [since, until), UTC; until is data_through unless given
-- message_count includes system messages and excludes deleted ones; participant_count is the number of
-- people who wrote in the period, system messages aside; messages_per_day is message_count divided by the
-- days of the period, (until - since) / 24 h, two decimals. sort_by is messages, participants, or activity
-- (messages per person who wrote, 0 where nobody did): descending, then by the others in this order, then
-- by id. for_type is a type of conversation, such as group; null = all, those of no type included.
create or replace macro metrics.top_conversations_v1(
    since timestamp,
    until timestamp := null,
    for_type := null,
    top_n := 10,
    sort_by := 'messages',
    visible_to := null,
    include_bots := true
) as table
    with sent as (
        select *
        from core.message_rows(since := since, until := until)
    ),

    written as (
        select
            found.conversation_key,
            case when not found.is_system then found.user_key end as writer_key,
            sum(found.message_count) as message_count
        from
            core.rows_in_scope(
                rows := sent, for_type := for_type, visible_to := visible_to, include_bots := include_bots
            ) as found
        group by found.conversation_key, writer_key
        union all by name
        select errors.nothing as conversation_key
        from core.errors_of(core.is_ranking(sort_by)) as errors
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
    )

    select
        conversations.conversation_id,
        conversations.conversation_type as type,
        conversations.title,
        cast(rated.message_count as bigint) as message_count,
        rated.participant_count,
        core.per_day_of(
            amount := rated.message_count,
            microseconds := core.length_of_period(since := since, until := until)
        ) as messages_per_day
    from rated
    inner join core.dim_conversations as conversations on rated.conversation_key = conversations.conversation_key
    order by
        case sort_by
            when 'participants' then rated.participant_count
            when 'activity' then rated.activity
            else rated.message_count
        end desc,
        rated.message_count desc,
        rated.participant_count desc,
        rated.activity desc,
        conversations.conversation_id
    limit top_n;
