-- conversation_stats_v1: One conversation: who takes part, how much is written, since when.
-- grain: one row; none for a conversation that does not exist or may not be seen
-- scope: all time before until; until is data_through unless given
-- participant_count is the number of people present at until; active_participants is how many of them
-- ever wrote a message here that is neither deleted nor a system message. message_count includes system
-- messages and excludes deleted ones. conversation_age_days is the number of days of 24 h from the
-- creation of the conversation to until, rounded up, at least 1; messages_per_day is message_count
-- divided by it, two decimals. Both are null where the source does not know the time of creation.
create or replace macro metrics.conversation_stats_v1(
    for_conversation,
    until timestamp := null,
    visible_to := null,
    include_bots := true
) as table
    with conversation as (
        select
            conversations.*,
            case
                when conversations.created_at is not null
                    then
                        greatest(
                            1,
                            (
                                core.length_of_period(since := conversations.created_at, until := until) + 86399999999
                            ) // 86400000000
                        )
            end as age_days
        from core.dim_conversations as conversations
        semi join
            core.conversations_in_scope(for_conversation := for_conversation, visible_to := visible_to) as scope
            on conversations.conversation_key = scope.conversation_key
        where
            conversations.conversation_id = for_conversation
            and conversations.in_source
            and coalesce(conversations.created_at < core.end_of(until), true)
    ),

    ever_sent as (
        select *
        from core.message_rows(since := timestamp '0001-01-01', until := until)
    ),

    sent as (
        select *
        from
            core.rows_in_scope(
                rows := ever_sent,
                for_conversation := for_conversation,
                visible_to := visible_to,
                include_bots := include_bots
            )
    ),

    totals as (
        select
            coalesce(sum(sent.message_count), 0) as message_count,
            min(sent.first_at) as first_at,
            max(sent.last_at) as last_at
        from sent
    ),

    people as (
        select
            count(*) as participant_count,
            count(*) filter (
                where participants.user_key in (
                    select sent.user_key
                    from sent
                    where not sent.is_system and sent.user_key is not null
                )
            ) as active_participants
        from core.dim_participants as participants
        semi join conversation on participants.conversation_key = conversation.conversation_key
        anti join core.bots_left_out(include_bots) as bots on participants.user_key = bots.user_key
        where
            core.is_present(
                joined := participants.joined_at, gone := participants.left_at, instant := core.end_of(until)
            )
    )

    select
        conversation.conversation_id,
        conversation.conversation_type as type,
        conversation.title,
        conversation.created_at,
        people.participant_count,
        people.active_participants,
        cast(totals.message_count as bigint) as message_count,
        case
            when conversation.age_days is not null
                then
                    core.per_day_of(
                        amount := totals.message_count, microseconds := conversation.age_days * 86400000000
                    )
        end as messages_per_day,
        conversation.age_days as conversation_age_days,
        totals.first_at as first_message_date,
        totals.last_at as last_message_date
    from conversation
    cross join people
    cross join totals;
