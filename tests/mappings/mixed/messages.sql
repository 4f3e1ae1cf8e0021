-- messages: what people and the messenger wrote, without the text.
-- grain: one row per message, deleted ones too
select
    xmin as row_version,
    ctid as place,
    id as message_id,
    "roomId" as conversation_id,
    "from" as sender_id,
    kind as message_type,
    char_length(body) as content_length,
    to_timestamp("createdAt" / 1000) as created_at,
    to_timestamp("editedAt" / 1000) as edited_at,
    to_timestamp("deletedAt" / 1000) as deleted_at
from "Chat App"."Message"
