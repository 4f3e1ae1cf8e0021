-- All memberships, read when their count differs: a missing one must end someone's access.
-- grain: one row per conversation and user
select
    conversation_id,
    user_id
from conversation_participants
