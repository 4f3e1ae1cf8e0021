-- unread_v1: What one person has not read yet, in each of their conversations.
-- grain: one row per conversation in which the person is present now, the newest message first, then by id
-- scope: now, at data_through
-- needs: read_marks
-- Messages are those that are neither deleted nor system messages. Unread are the messages of others that
-- were sent after the person's mark (read_through_at) and not before they joined; without a mark, all since
-- they joined. first_unread_at is the oldest of these, newest_message_at the newest message of the
-- conversation, read or not; null = none. Messages on days that are not kept (core.state has the coverage)
-- are not counted: where a mark is older than the kept days, unread_count is too low. A viewer sees themself
-- and the people they share a conversation with, and of these people the conversations they share.
create or replace macro metrics.unread_v1(
    for_user,
    visible_to := null,
    include_bots := true
) as table
    with memberships as (
        select
            participants.conversation_key,
            participants.user_key,
            participants.joined_at,
            marks.read_through_at,
            marks.marked_at
        from core.dim_participants as participants
        left join core.dim_read_marks as marks
            on participants.conversation_key = marks.conversation_key and participants.user_key = marks.user_key
        where
            participants.user_key = core.key_of_seen(for_user := for_user, visible_to := visible_to)
            and core.is_present(
                joined := participants.joined_at, gone := participants.left_at, instant := core.data_through()
            )
            and (
                visible_to is null
                or participants.conversation_key in (
                    select scope.conversation_key
                    from core.conversations_of(visible_to) as scope
                )
            )
        union all by name
        select errors.nothing as conversation_key
        from core.errors_of(core.is_there('read_marks')) as errors
    ),

    received as (
        select
            messages.conversation_key,
            messages.created_at,
            coalesce(messages.created_at > memberships.read_through_at, true)
            and coalesce(messages.created_at >= memberships.joined_at, true)
            and coalesce(messages.sender_key <> memberships.user_key, true) as is_unread
        from core.fact_messages as messages
        inner join memberships on messages.conversation_key = memberships.conversation_key
        anti join core.bots_left_out(include_bots) as bots on messages.sender_key = bots.user_key
        where
            messages.created_at < core.data_through()
            and messages.deleted_at is null
            and messages.message_type is distinct from 'system'
    ),

    counted as (
        select
            received.conversation_key,
            count(*) filter (where received.is_unread) as unread_count,
            min(received.created_at) filter (where received.is_unread) as first_unread_at,
            max(received.created_at) as newest_message_at
        from received
        group by received.conversation_key
    )

    select
        conversations.conversation_id,
        conversations.conversation_type as type,
        conversations.title,
        coalesce(counted.unread_count, 0) as unread_count,
        counted.first_unread_at,
        counted.newest_message_at,
        memberships.read_through_at,
        memberships.marked_at
    from memberships
    inner join core.dim_conversations as conversations on memberships.conversation_key = conversations.conversation_key
    left join counted on memberships.conversation_key = counted.conversation_key
    order by counted.newest_message_at desc nulls last, conversations.conversation_id;
