-- Scope: which conversations and people an answer is about, and who may see them.
-- for_conversation and for_user narrow an answer; null = all. visible_to is the user who asks, the
-- viewer; null = everything may be seen. A viewer whom the messenger has deleted sees nothing. Each
-- combination has its own branch of a UNION ALL, and DuckDB removes the other branches when it plans a
-- query: an argument that is null costs nothing.

-- whether somebody with this membership is present at an instant; what happens at the instant is not seen
create or replace macro core.is_present(joined, gone, instant) as (
    coalesce(joined < instant, true) and coalesce(gone >= instant, true)
);

-- bots_left_out: the users that are bots, unless bots are included.
-- grain: one row per user
create or replace macro core.bots_left_out(include_bots) as table
    select user_key
    from core.dim_users
    where is_bot and not include_bots;

-- the key of a user; null for an unknown id
create or replace macro core.key_of_user(for_user) as (
    (
        select users.user_key
        from core.dim_users as users
        where users.user_id = for_user
    )
);

-- viewer: the user who asks, unless the messenger has deleted them or does not have them.
-- grain: one row; none for a user who sees nothing, and where visible_to is null
create or replace macro core.viewer(visible_to) as table
    select users.user_key
    from core.dim_users as users
    where users.user_id = visible_to and users.in_source and users.deleted_at is null;

-- conversations_of: the conversations in which a viewer is present now.
-- grain: one row per conversation
create or replace macro core.conversations_of(visible_to) as table
    select participants.conversation_key
    from core.dim_participants as participants
    inner join core.viewer(visible_to) as viewer on participants.user_key = viewer.user_key
    where
        core.is_present(
            joined := participants.joined_at, gone := participants.left_at, instant := core.data_through()
        );

-- memberships: who takes part, or took part, in the conversations of a viewer, or in all.
-- grain: one row per conversation and user
create or replace macro core.memberships(visible_to) as table
    select everybody.*
    from core.dim_participants as everybody
    where visible_to is null
    union all
    select seen.*
    from core.dim_participants as seen
    semi join core.conversations_of(visible_to) as mine on seen.conversation_key = mine.conversation_key
    where visible_to is not null;

-- conversations_in_scope: the conversation asked for, or those of a type, or all of a viewer, if they may be seen.
-- grain: one row per conversation; none where all arguments are null
create or replace macro core.conversations_in_scope(for_conversation, visible_to, for_type := null) as table
    select conversations.conversation_key
    from core.dim_conversations as conversations
    where
        visible_to is null
        and (for_conversation is not null or for_type is not null)
        and (for_conversation is null or conversations.conversation_id = for_conversation)
        and (for_type is null or conversations.conversation_type = for_type)
    union all
    select mine.conversation_key
    from core.conversations_of(visible_to) as mine
    where visible_to is not null and for_conversation is null and for_type is null
    union all
    select mine.conversation_key
    from core.conversations_of(visible_to) as mine
    inner join core.dim_conversations as conversations on mine.conversation_key = conversations.conversation_key
    where
        visible_to is not null
        and (for_conversation is not null or for_type is not null)
        and (for_conversation is null or conversations.conversation_id = for_conversation)
        and (for_type is null or conversations.conversation_type = for_type);

-- conversations_of_five: the conversations in which five or more people are present now; all, or those of a viewer.
-- grain: one row per conversation
-- Counted are accounts of the messenger that are neither bots nor deleted. A number about fewer would be a number
-- about one of them.
create or replace macro core.conversations_of_five(visible_to) as table
    select members.conversation_key
    from core.memberships(visible_to) as members
    inner join core.dim_users as users on members.user_key = users.user_key
    where
        users.in_source
        and users.is_bot is not true
        and users.deleted_at is null
        and core.is_present(joined := members.joined_at, gone := members.left_at, instant := core.data_through())
    group by members.conversation_key
    having count(*) >= 5;

-- conversations_of_few: a viewer's conversations in which fewer than five people are present now, if they are left out.
-- grain: one row per conversation; none where visible_to is null
create or replace macro core.conversations_of_few(visible_to, are_left_out) as table
    select mine.conversation_key
    from core.conversations_of(visible_to) as mine
    anti join core.conversations_of_five(visible_to) as shown on mine.conversation_key = shown.conversation_key
    where are_left_out;

-- people_present: the viewer, and everybody present now in a conversation in scope.
-- grain: one or more rows per user, for a SEMI JOIN
create or replace macro core.people_present(for_conversation, visible_to) as table
    select participants.user_key
    from core.dim_participants as participants
    semi join core.conversations_in_scope(for_conversation := for_conversation, visible_to := visible_to) as scope
        on participants.conversation_key = scope.conversation_key
    where
        core.is_present(
            joined := participants.joined_at, gone := participants.left_at, instant := core.data_through()
        )
    union all
    select viewer.user_key
    from core.viewer(visible_to) as viewer
    where for_conversation is null;

-- people_in_scope: the users a viewer may see: the viewer, and those present now in one of their conversations.
-- grain: one row per user
create or replace macro core.people_in_scope(visible_to) as table
    select everybody.*
    from core.dim_users as everybody
    where visible_to is null
    union all
    select seen.*
    from core.dim_users as seen
    semi join core.people_present(for_conversation := null, visible_to := visible_to) as present
        on seen.user_key = present.user_key
    where visible_to is not null;

-- everybody_in_scope: as people_in_scope, and the faster way to all of them; the slower one to somebody.
-- grain: one row per user
create or replace macro core.everybody_in_scope(visible_to) as table
    with present as (
        select
            core.part_of_set(found.user_key) as part,
            core.bits_of_set(found.user_key) as bits
        from core.people_present(for_conversation := null, visible_to := visible_to) as found
        where visible_to is not null
        group by part
    )

    select everybody.*
    from core.dim_users as everybody
    where visible_to is null
    union all
    select seen.*
    from core.dim_users as seen
    inner join present on core.part_of_set(seen.user_key) = present.part
    where visible_to is not null and core.is_in_set(bits := present.bits, of_user := seen.user_key);

-- the key of a user whom a viewer may see; null for any other id, hidden or unknown
create or replace macro core.key_of_seen(for_user, visible_to) as (
    (
        select seen.user_key
        from core.people_in_scope(visible_to) as seen
        where for_user is not null and seen.user_id = for_user
    )
);

-- rows_in_scope: those of the given rows that are asked for and may be seen.
-- grain: as the given rows
-- rows names a table or CTE with the columns conversation_key and user_key.
create or replace macro core.rows_in_scope(
    rows, visible_to, include_bots, for_conversation := null, for_user := null, for_type := null
) as table
    select found.*
    from (
        select *
        from query_table(rows)
        where for_conversation is null and visible_to is null and for_user is null and for_type is null
        union all
        select scoped.*
        from query_table(rows) as scoped
        semi join
            core.conversations_in_scope(
                for_conversation := for_conversation, visible_to := visible_to, for_type := for_type
            ) as scope
            on scoped.conversation_key = scope.conversation_key
        where
            (for_conversation is not null or visible_to is not null or for_type is not null)
            and (
                for_user is null
                or scoped.user_key = core.key_of_seen(for_user := for_user, visible_to := visible_to)
            )
        union all
        select theirs.*
        from query_table(rows) as theirs
        where
            for_conversation is null
            and visible_to is null
            and for_type is null
            and for_user is not null
            and theirs.user_key = core.key_of_user(for_user)
    ) as found
    anti join core.bots_left_out(include_bots) as bots on found.user_key = bots.user_key;

-- events_in_scope: those of the given events that may be seen: a viewer sees the events of their
-- conversations, and of the events without a conversation their own.
-- grain: as the given rows
-- rows names a table or CTE with the columns conversation_key and user_key.
create or replace macro core.events_in_scope(rows, visible_to, include_bots) as table
    select found.*
    from (
        select *
        from query_table(rows)
        where visible_to is null
        union all
        select scoped.*
        from query_table(rows) as scoped
        semi join core.conversations_of(visible_to) as scope on scoped.conversation_key = scope.conversation_key
        where visible_to is not null
        union all
        select theirs.*
        from query_table(rows) as theirs
        semi join core.viewer(visible_to) as viewer on theirs.user_key = viewer.user_key
        where visible_to is not null and theirs.conversation_key is null
    ) as found
    anti join core.bots_left_out(include_bots) as bots on found.user_key = bots.user_key;

-- true, or an error that lists what conversations can be sorted by
create or replace macro core.is_ranking(sort_by) as (
    case
        when sort_by in ('messages', 'participants', 'activity') then true
        else error('unknown sort_by: it is messages, participants or activity')
    end
);
