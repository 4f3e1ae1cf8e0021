-- core.conversation_days: Messages that are not deleted, counted by day and conversation.
-- grain: one row per UTC day and conversation
create table core.conversation_days (
    day date,
    conversation_key integer,
    message_count integer not null,
    text_count integer not null,
    image_count integer not null,
    file_count integer not null,
    system_count integer not null,
    length_sum bigint not null,
    measured_count integer not null,
    first_at timestamp not null,
    last_at timestamp not null
);

comment on table core.conversation_days is 'Messages that are not deleted, counted by day and conversation. Grain: one row per UTC day and conversation.';
comment on column core.conversation_days.day is 'UTC day';
comment on column core.conversation_days.conversation_key is 'the conversation: core.conversations.conversation_key; null = none or unknown';
comment on column core.conversation_days.message_count is 'messages of any type';
comment on column core.conversation_days.text_count is 'of type text';
comment on column core.conversation_days.image_count is 'of type image';
comment on column core.conversation_days.file_count is 'of type file';
comment on column core.conversation_days.system_count is 'of type system';
comment on column core.conversation_days.length_sum is 'characters of all texts';
comment on column core.conversation_days.measured_count is 'messages that have a text, the empty one included';
comment on column core.conversation_days.first_at is 'first of them, UTC';
comment on column core.conversation_days.last_at is 'last of them, UTC';
