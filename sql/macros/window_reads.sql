-- read_rows: read receipts of [from_at, to_at), counted by conversation and reader.
-- grain: several rows per conversation and reader; their counts add up
-- The whole UTC days come from the rollup, the ragged ends from the facts.
create or replace macro core.read_rows(from_at, to_at) as table
    select
        conversation_key,
        user_key,
        read_count,
        first_at,
        last_at
    from core.read_days
    where day >= core.first_whole_day(from_at) and day < core.end_of_whole_days(from_at, to_at)
    union all
    select
        conversation_key,
        user_key,
        1 as read_count,
        read_at as first_at,
        read_at as last_at
    from core.read_receipts
    where core.is_on_ragged_day(read_at, from_at, to_at);

-- read_window: the same, as far as they are asked for and may be seen.
-- Who asks for everything, for conversations and for one person each take a path of their own: DuckDB
-- drops the others before it begins, and a filter that is not wanted costs nothing.
create or replace macro core.read_window(from_at, to_at, conversation, person, viewer, with_bots) as table
    with found as (
        select *
        from core.read_rows(from_at, to_at)
        where conversation is null and viewer is null and person is null
        union all
        select scoped.*
        from core.read_rows(from_at, to_at) as scoped
        semi join core.conversations_in_scope(conversation, viewer) as scope
            on scoped.conversation_key = scope.conversation_key
        where
            (conversation is not null or viewer is not null)
            and (person is null or scoped.user_key = core.key_of_seen(person, viewer))
        union all
        select theirs.*
        from core.read_rows(from_at, to_at) as theirs
        where
            conversation is null
            and viewer is null
            and person is not null
            and theirs.user_key = core.key_of_user(person)
    )

    select
        found.conversation_key,
        found.user_key,
        found.read_count,
        found.first_at,
        found.last_at
    from found
    anti join core.bots_left_out(with_bots) as bots on found.user_key = bots.user_key
    where core.is_window(from_at, to_at);
