-- message_rows: messages of [from_at, to_at) that are not deleted, counted by conversation and sender.
-- grain: several rows per conversation, sender and is_system; their counts add up
-- The whole UTC days come from the rollup, the ragged ends from the facts.
create or replace macro core.message_rows(from_at, to_at) as table
    select
        conversation_key,
        sender_key,
        is_system,
        message_count,
        text_count,
        image_count,
        file_count,
        length_sum,
        measured_count,
        first_at,
        last_at
    from core.message_days
    where day >= core.first_whole_day(from_at) and day < core.end_of_whole_days(from_at, to_at)
    union all
    select
        conversation_key,
        sender_key,
        coalesce(message_type = 'system', false) as is_system,
        1 as message_count,
        cast(coalesce(message_type = 'text', false) as integer) as text_count,
        cast(coalesce(message_type = 'image', false) as integer) as image_count,
        cast(coalesce(message_type = 'file', false) as integer) as file_count,
        coalesce(content_length, 0) as length_sum,
        cast(content_length is not null as integer) as measured_count,
        created_at as first_at,
        created_at as last_at
    from core.messages
    where
        core.is_on_ragged_day(created_at, from_at, to_at)
        and deleted_at is null;

-- message_window: the same, as far as they are asked for and may be seen.
-- Who asks for everything, for conversations and for one person each take a path of their own: DuckDB
-- drops the others before it begins, and a filter that is not wanted costs nothing.
create or replace macro core.message_window(from_at, to_at, conversation, person, viewer, with_bots) as table
    with found as (
        select *
        from core.message_rows(from_at, to_at)
        where conversation is null and viewer is null and person is null
        union all
        select scoped.*
        from core.message_rows(from_at, to_at) as scoped
        semi join core.conversations_in_scope(conversation, viewer) as scope
            on scoped.conversation_key = scope.conversation_key
        where
            (conversation is not null or viewer is not null)
            and (person is null or scoped.sender_key = core.key_of_seen(person, viewer))
        union all
        select theirs.*
        from core.message_rows(from_at, to_at) as theirs
        where
            conversation is null
            and viewer is null
            and person is not null
            and theirs.sender_key = core.key_of_user(person)
    )

    select
        found.conversation_key,
        found.sender_key,
        found.is_system,
        found.message_count,
        found.text_count,
        found.image_count,
        found.file_count,
        found.length_sum,
        found.measured_count,
        found.first_at,
        found.last_at
    from found
    anti join core.bots_left_out(with_bots) as bots on found.sender_key = bots.user_key
    where core.is_window(from_at, to_at);
