-- participants: the contact, the assignee, and further agents.
-- grain: one row per conversation and user
select
    id as conversation_id,
    'Contact:' || contact_id as user_id,
    'contact' as role,
    created_at at time zone 'UTC' as joined_at,
    null::timestamptz as left_at
from conversations
where contact_id is not null
union all
select
    id as conversation_id,
    'User:' || assignee_id as user_id,
    'assignee' as role,
    created_at at time zone 'UTC' as joined_at,
    null::timestamptz as left_at
from conversations
where assignee_id is not null
union all
select
    participant.conversation_id,
    'User:' || participant.user_id as user_id,
    'participant' as role,
    participant.created_at at time zone 'UTC' as joined_at,
    null::timestamptz as left_at
from conversation_participants as participant
where
    not exists (
        select 1
        from conversations as conversation
        where
            conversation.id = participant.conversation_id
            and conversation.assignee_id = participant.user_id
    )
