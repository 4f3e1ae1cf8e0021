-- core.messages: Messages, deleted ones too, ordered by time within a load.
-- grain: one row per message
create table core.messages (
    created_at timestamp not null,
    conversation_key integer,
    sender_key integer,
    message_type varchar,
    content_length integer,
    edited_at timestamp,
    deleted_at timestamp
);

comment on table core.messages is 'Messages, deleted ones too, ordered by time within a load. Grain: one row per message.';
comment on column core.messages.created_at is 'sent, UTC';
comment on column core.messages.conversation_key is 'the conversation: core.conversations.conversation_key; null = none or unknown';
comment on column core.messages.sender_key is 'the sender: core.users.user_key; null = none';
comment on column core.messages.message_type is 'text, image, file, system, or whatever else the source says';
comment on column core.messages.content_length is 'characters of the text; null = no text';
comment on column core.messages.edited_at is 'last edited, UTC; null = never';
comment on column core.messages.deleted_at is 'deleted, UTC; null = not';
