-- read_receipts: Who read a message when, by external ids.
-- grain: one row per message and reader
create or replace view main.read_receipts as
select
    read_receipts.read_at,
    conversations.conversation_id,
    users.user_id,
    read_receipts.message_created_at
from core.read_receipts as read_receipts
left join core.conversations as conversations using (conversation_key)
left join core.users as users using (user_key);

comment on view main.read_receipts is 'Who read a message when, by external ids. Grain: one row per message and reader.';
comment on column main.read_receipts.read_at is 'read, UTC';
comment on column main.read_receipts.conversation_id is 'conversation of the message; null = the message is not there';
comment on column main.read_receipts.user_id is 'the reader';
comment on column main.read_receipts.message_created_at is 'when the message was sent, UTC; null = the message is not there';
