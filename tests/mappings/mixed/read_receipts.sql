-- read_receipts: who read which message and when, with the message's conversation and time.
-- grain: one row per message and user
select
    receipt.xmin as row_version,
    receipt.ctid as place,
    receipt."messageId" as message_id,
    receipt."userId" as user_id,
    message."roomId" as conversation_id,
    to_timestamp(receipt."readAt" / 1000) as read_at,
    to_timestamp(message."createdAt" / 1000) as message_created_at
from "Chat App"."Read.Receipt" as receipt
left join "Chat App"."Message" as message on receipt."messageId" = message.id
