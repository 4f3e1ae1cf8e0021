-- read_marks: when the contact, and when the assignee, last looked at the conversation.
-- grain: one row per conversation and user
select
    xmin as row_version,
    ctid as place,
    id as conversation_id,
    'Contact:' || contact_id as user_id,
    contact_last_seen_at at time zone 'UTC' as read_through_at,
    contact_last_seen_at at time zone 'UTC' as marked_at
from conversations
where contact_id is not null
union all
select
    xmin as row_version,
    ctid as place,
    id as conversation_id,
    'User:' || assignee_id as user_id,
    assignee_last_seen_at at time zone 'UTC' as read_through_at,
    assignee_last_seen_at at time zone 'UTC' as marked_at
from conversations
where assignee_id is not null
