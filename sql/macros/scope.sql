-- Scope: which conversations and people an answer is about, and who may see them.

-- bots: the keys of users that are programs, if they are to be left out
create or replace macro core.bots_left_out(are_counted) as table
    select user_key
    from core.users
    where is_bot and not are_counted;

-- the key of a user; null where there is none
create or replace macro core.key_of_user(person) as (
    (
        select users.user_key
        from core.users as users
        where users.user_id = person
    )
);

-- conversations_of: the conversations in which a viewer is present now
-- grain: one row per conversation
create or replace macro core.conversations_of(viewer) as table
    select participants.conversation_key
    from core.participants as participants
    inner join core.users as users on participants.user_key = users.user_key
    where users.user_id = viewer and core.is_present(participants.joined_at, participants.left_at, core.data_through());

-- conversations_in_scope: the one that is asked for, or all, as far as the viewer may see them
-- grain: one row per conversation
-- Only asked where one of the two is given. As everywhere here, each kind of question has a branch of
-- its own, and DuckDB drops the others before it begins.
create or replace macro core.conversations_in_scope(conversation, viewer) as table
    select conversations.conversation_key
    from core.conversations as conversations
    where viewer is null and conversations.conversation_id = conversation
    union all
    select mine.conversation_key
    from core.conversations_of(viewer) as mine
    where viewer is not null and conversation is null
    union all
    select mine.conversation_key
    from core.conversations_of(viewer) as mine
    inner join core.conversations as conversations on mine.conversation_key = conversations.conversation_key
    where viewer is not null and conversations.conversation_id = conversation;

-- people_present: a viewer himself, and those present now in a conversation in scope
-- grain: one or more rows per person: it is joined by SEMI JOIN, for which nothing need be distinct
create or replace macro core.people_present(conversation, viewer) as table
    select participants.user_key
    from core.participants as participants
    semi join core.conversations_in_scope(conversation, viewer) as scope
        on participants.conversation_key = scope.conversation_key
    where core.is_present(participants.joined_at, participants.left_at, core.data_through())
    union all
    select users.user_key
    from core.users as users
    where conversation is null and users.user_id = viewer;

-- people_in_scope: who may be named: for a viewer those present, else everybody
-- grain: one row per person
create or replace macro core.people_in_scope(conversation, viewer) as table
    select everybody.*
    from core.users as everybody
    where viewer is null
    union all
    select seen.*
    from core.users as seen
    semi join core.people_present(conversation, viewer) as present on seen.user_key = present.user_key
    where viewer is not null;

-- the key of a user whom a viewer may see; null where there is none, so that both are the same
create or replace macro core.key_of_seen(person, viewer) as (
    (
        select seen.user_key
        from core.people_in_scope(null, viewer) as seen
        where person is not null and seen.user_id = person
    )
);

-- true, or an error that says what conversations can be sorted by
create or replace macro core.is_ranking(word) as (
    case
        when word in ('messages', 'participants', 'activity') then true
        else error('unknown sort_by: it is messages, participants or activity')
    end
);
