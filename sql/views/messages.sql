-- messages: Messages by external ids, deleted ones too (see deleted_at).
-- grain: one row per message
create or replace view main.messages as
select
    messages.created_at,
    conversations.conversation_id,
    users.user_id as sender_id,
    messages.message_type,
    messages.content_length,
    messages.edited_at,
    messages.deleted_at
from core.messages as messages
left join core.conversations as conversations using (conversation_key)
left join core.users as users on messages.sender_key = users.user_key;

comment on view main.messages is 'Messages by external ids, deleted ones too (see deleted_at). Grain: one row per message.';
comment on column main.messages.created_at is 'sent, UTC';
comment on column main.messages.conversation_id is 'the conversation';
comment on column main.messages.sender_id is 'the sender';
comment on column main.messages.message_type is 'text, image, file, system, or whatever else the source says';
comment on column main.messages.content_length is 'characters of the text; null = no text';
comment on column main.messages.edited_at is 'last edited, UTC; null = never';
comment on column main.messages.deleted_at is 'deleted, UTC; null = not';
