-- core.message_days: Messages that are not deleted, counted by day, conversation and sender.
-- grain: one row per UTC day, conversation, sender and is_system
create table core.message_days (
    day date,
    conversation_key integer,
    sender_key integer,
    is_system boolean not null,
    message_count integer not null,
    text_count integer not null,
    image_count integer not null,
    file_count integer not null,
    length_sum bigint not null,
    measured_count integer not null,
    first_at timestamp not null,
    last_at timestamp not null
);

comment on table core.message_days is 'Messages that are not deleted, counted by day, conversation and sender. Grain: one row per UTC day, conversation, sender and is_system.';
comment on column core.message_days.day is 'UTC day';
comment on column core.message_days.conversation_key is 'the conversation: core.conversations.conversation_key; null = none or unknown';
comment on column core.message_days.sender_key is 'the sender; null = none';
comment on column core.message_days.is_system is 'whether these are system messages';
comment on column core.message_days.message_count is 'messages of any type';
comment on column core.message_days.text_count is 'of type text';
comment on column core.message_days.image_count is 'of type image';
comment on column core.message_days.file_count is 'of type file';
comment on column core.message_days.length_sum is 'characters of all texts';
comment on column core.message_days.measured_count is 'messages that have a text, the empty one included';
comment on column core.message_days.first_at is 'first of them, UTC';
comment on column core.message_days.last_at is 'last of them, UTC';
