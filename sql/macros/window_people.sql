-- writer_window: who wrote in [from_at, to_at), and how much, as far as it is asked for and may be seen.
-- Messages count that are neither deleted nor system messages.
-- grain: several rows per person; their counts add up
-- Where a conversation or a viewer is given it stands on message_rows; what is counted over the whole site
-- comes from user_days, which is smaller.
create or replace macro core.writer_window(from_at, to_at, conversation, viewer, with_bots) as table
    with found as (
        select
            user_key,
            sent_count as message_count
        from core.user_days
        where
            conversation is null
            and viewer is null
            and sent_count > 0
            and day >= core.first_whole_day(from_at)
            and day < core.end_of_whole_days(from_at, to_at)
        union all
        select
            sender_key as user_key,
            1 as message_count
        from core.messages
        where
            conversation is null
            and viewer is null
            and core.is_on_ragged_day(created_at, from_at, to_at)
            and deleted_at is null
            and message_type is distinct from 'system'
        union all
        select
            scoped.sender_key as user_key,
            scoped.message_count
        from core.message_rows(from_at, to_at) as scoped
        semi join core.conversations_in_scope(conversation, viewer) as scope
            on scoped.conversation_key = scope.conversation_key
        where (conversation is not null or viewer is not null) and not scoped.is_system
    )

    select
        found.user_key,
        found.message_count
    from found
    anti join core.bots_left_out(with_bots) as bots on found.user_key = bots.user_key
    where found.user_key is not null and core.is_window(from_at, to_at);

-- activity_window: who wrote or read in [from_at, to_at), and how much. Messages count as above; a read
-- counts whatever became of the message.
-- grain: several rows per person; their counts add up
create or replace macro core.activity_window(from_at, to_at, viewer, with_bots) as table
    with found as (
        select
            user_key,
            sent_count,
            read_count
        from core.user_days
        where
            viewer is null
            and day >= core.first_whole_day(from_at)
            and day < core.end_of_whole_days(from_at, to_at)
        union all
        select
            sender_key as user_key,
            1 as sent_count,
            0 as read_count
        from core.messages
        where
            viewer is null
            and core.is_on_ragged_day(created_at, from_at, to_at)
            and deleted_at is null
            and message_type is distinct from 'system'
        union all
        select
            user_key,
            0 as sent_count,
            1 as read_count
        from core.read_receipts
        where
            viewer is null
            and core.is_on_ragged_day(read_at, from_at, to_at)
        union all
        select
            wrote.sender_key as user_key,
            wrote.message_count as sent_count,
            0 as read_count
        from core.message_rows(from_at, to_at) as wrote
        semi join core.conversations_of(viewer) as scope on wrote.conversation_key = scope.conversation_key
        where viewer is not null and not wrote.is_system
        union all
        select
            seen.user_key,
            0 as sent_count,
            seen.read_count
        from core.read_rows(from_at, to_at) as seen
        semi join core.conversations_of(viewer) as scope on seen.conversation_key = scope.conversation_key
        where viewer is not null
    )

    select
        found.user_key,
        found.sent_count,
        found.read_count
    from found
    anti join core.bots_left_out(with_bots) as bots on found.user_key = bots.user_key
    where found.user_key is not null and core.is_window(from_at, to_at);
