-- event_rows: events of [from_at, to_at), counted by type, conversation and user.
-- grain: several rows per type, conversation and user; their counts add up
-- The whole UTC days come from the rollup, the ragged ends from the facts.
create or replace macro core.event_rows(from_at, to_at) as table
    select
        event_type,
        conversation_key,
        user_key,
        event_count
    from core.event_days
    where day >= core.first_whole_day(from_at) and day < core.end_of_whole_days(from_at, to_at)
    union all
    select
        event_type,
        conversation_key,
        user_key,
        1 as event_count
    from core.events
    where core.is_on_ragged_day(created_at, from_at, to_at);

-- event_window: the same, as far as a viewer may see them: those of his conversations, and of those
-- without a conversation his own.
create or replace macro core.event_window(from_at, to_at, viewer, with_bots) as table
    with found as (
        select *
        from core.event_rows(from_at, to_at)
        where viewer is null
        union all
        select scoped.*
        from core.event_rows(from_at, to_at) as scoped
        semi join core.conversations_of(viewer) as scope on scoped.conversation_key = scope.conversation_key
        where viewer is not null
        union all
        select theirs.*
        from core.event_rows(from_at, to_at) as theirs
        where viewer is not null and theirs.conversation_key is null and theirs.user_key = core.key_of_user(viewer)
    )

    select
        found.event_type,
        found.conversation_key,
        found.user_key,
        found.event_count
    from found
    anti join core.bots_left_out(with_bots) as bots on found.user_key = bots.user_key
    where core.is_window(from_at, to_at);
