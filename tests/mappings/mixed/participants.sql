-- participants: who is, or was, a member of which conversation.
-- grain: one row per conversation and user
select
    xmin as row_version,
    ctid as place,
    "roomId" as conversation_id,
    "userId" as user_id,
    role,
    to_timestamp("joinedAt" / 1000) as joined_at,
    to_timestamp("leftAt" / 1000) as left_at
from "Chat App"."RoomMember"
