-- participants: who is, or was, a member of which conversation.
-- grain: one row per conversation and user
-- reads: conversation_participants
select
    xmin as row_version,
    conversation_id,
    user_id,
    role,
    joined_at,
    left_at
from conversation_participants
