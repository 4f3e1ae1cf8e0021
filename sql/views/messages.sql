-- main.messages: Messages by external ids, deleted ones included (see deleted_at).
-- grain: one row per message
create or replace view main.messages as
select
    messages.created_at, -- time of sending, UTC
    conversations.conversation_id, -- the conversation
    users.user_id as sender_id, -- the sender
    messages.message_type, -- text, image, file, system, or any other type of the source
    messages.content_length, -- characters of the text; null = no text
    messages.edited_at, -- time of the last edit, UTC; null = never edited
    messages.deleted_at, -- time of deletion, UTC; null = not deleted
    core.with_zone(messages.created_at) as created_at_tz, -- created_at with its zone
    core.with_zone(messages.edited_at) as edited_at_tz, -- edited_at with its zone
    core.with_zone(messages.deleted_at) as deleted_at_tz -- deleted_at with its zone
from core.fact_messages as messages
left join core.dim_conversations as conversations using (conversation_key)
left join core.dim_users as users on messages.sender_key = users.user_key;
