-- core.read_receipts: Who read a message when, ordered by time within a load.
-- grain: one row per message and reader
create table core.read_receipts (
    read_at timestamp not null,
    conversation_key integer,
    user_key integer,
    message_created_at timestamp
);

comment on table core.read_receipts is 'Who read a message when, ordered by time within a load. Grain: one row per message and reader.';
comment on column core.read_receipts.read_at is 'read, UTC';
comment on column core.read_receipts.conversation_key is 'conversation of the message; null = the message is not there';
comment on column core.read_receipts.user_key is 'the person: core.users.user_key';
comment on column core.read_receipts.message_created_at is 'when the message was sent, UTC; null = the message is not there';
