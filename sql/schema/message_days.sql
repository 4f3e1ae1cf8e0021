-- core.message_days: Messages that are not deleted, counted by day, conversation and sender.
-- grain: one row per UTC day, conversation, sender and is_system
-- System messages have rows of their own: they count in totals and never as the activity of a user.
create table core.message_days (
    day date, -- UTC day
    conversation_key integer, -- the conversation: core.dim_conversations.conversation_key; null = none or unknown
    sender_key integer, -- the sender: core.dim_users.user_key; null = none
    is_system boolean not null, -- whether these are system messages
    message_count integer not null, -- messages of any type
    text_count integer not null, -- messages of type text
    image_count integer not null, -- messages of type image
    file_count integer not null, -- messages of type file
    length_sum bigint not null, -- characters of all texts
    measured_count integer not null, -- messages that have a text, the empty text included
    first_at timestamp not null, -- time of the first message, UTC
    last_at timestamp not null -- time of the last message, UTC
);
