-- core.fact_messages: Messages, deleted ones included, ordered by time within a load.
-- grain: one row per message
create table core.fact_messages (
    created_at timestamp not null, -- time of sending, UTC
    conversation_key integer, -- the conversation: core.dim_conversations.conversation_key; null = none or unknown
    sender_key integer, -- the sender: core.dim_users.user_key; null = none
    message_type varchar, -- text, image, file, system, or any other type of the source
    content_length integer, -- characters of the text; null = no text
    edited_at timestamp, -- time of the last edit, UTC; null = never edited
    deleted_at timestamp -- time of deletion, UTC; null = not deleted
);
