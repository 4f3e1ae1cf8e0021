-- read_receipts: who read which message and when, with the message's conversation and time.
-- grain: one row per message and user
select
    receipt.xmin as row_version,
    receipt.ctid as place,
    receipt.message_id,
    receipt.user_id,
    message.conversation_id,
    receipt.read_at,
    message.created_at as message_created_at
from message_read_receipts as receipt
left join messages as message on receipt.message_id = message.id
