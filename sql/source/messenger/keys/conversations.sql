-- The ids of all conversations, read when their count differs.
-- grain: one row per conversation
select id as conversation_id
from conversations
