-- Keeps what rollups hold of conversations, before a batch changes it; `conversations` compares.
-- grain: one row per conversation
create or replace temporary table temp.known_conversations as
select
    conversation_key,
    conversation_type
from core.dim_conversations;
