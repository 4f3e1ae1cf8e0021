-- main.read_receipts: Who read a message when, by external ids.
-- grain: one row per message and reader
-- An error where the source has none: core.is_available('read_receipts') tells.
create or replace view main.read_receipts as
select
    read_receipts.read_at, -- time of reading, UTC
    conversations.conversation_id, -- conversation of the message; null = the message does not exist
    users.user_id, -- the reader
    read_receipts.message_created_at, -- time the message was sent, UTC; null = the message does not exist
    core.with_zone(read_receipts.read_at) as read_at_tz, -- read_at with its zone
    core.with_zone(read_receipts.message_created_at) as message_created_at_tz -- with its zone
from core.fact_read_receipts as read_receipts
left join core.dim_conversations as conversations using (conversation_key)
left join core.dim_users as users using (user_key)
union all
select
    core.refusal('read_receipts') as read_at,
    core.refusal('read_receipts') as conversation_id,
    core.refusal('read_receipts') as user_id,
    core.refusal('read_receipts') as message_created_at,
    core.refusal('read_receipts') as read_at_tz,
    core.refusal('read_receipts') as message_created_at_tz
where not core.is_available('read_receipts');
