-- messages: created_at has no zone (wrong type), the type is a piece of the text (text that leaves the server),
-- and uploads are looked up by a column that has no index (missing index).
-- grain: one row per message, deleted ones too
select
    message.xmin as row_version,
    message.ctid as place,
    message.id as message_id,
    message.chat_channel_id as conversation_id,
    message.user_id::text as sender_id,
    left(message.message, 12) as message_type,
    case
        when (
            select max(reference.id) from upload_references as reference
            where reference.upload_id = message.id
        ) > 0 then 0
        else char_length(message.message)
    end as content_length,
    message.created_at,
    null::timestamptz as edited_at,
    message.deleted_at at time zone 'UTC' as deleted_at
from chat_messages as message
