-- core.read_days: Read receipts counted by day, conversation and reader, whatever became of the message.
-- grain: one row per UTC day, conversation and reader
create table core.read_days (
    day date,
    conversation_key integer,
    user_key integer,
    read_count integer not null,
    first_at timestamp not null,
    last_at timestamp not null
);

comment on table core.read_days is 'Read receipts counted by day, conversation and reader, whatever became of the message. Grain: one row per UTC day, conversation and reader.';
comment on column core.read_days.day is 'UTC day';
comment on column core.read_days.conversation_key is 'the conversation: core.conversations.conversation_key; null = none or unknown';
comment on column core.read_days.user_key is 'the person: core.users.user_key';
comment on column core.read_days.read_count is 'messages read';
comment on column core.read_days.first_at is 'first read, UTC';
comment on column core.read_days.last_at is 'last read, UTC';
