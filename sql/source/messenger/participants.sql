-- participants: who is, or was, a member of which conversation.
-- grain: one row per conversation and user
select
    xmin as row_version,
    ctid as place,
    conversation_id,
    user_id,
    role,
    joined_at,
    left_at
from conversation_participants
