-- messages: what people and the messenger wrote; the text stays in PostgreSQL, only its length is read.
-- grain: one row per message, deleted ones too
select
    xmin as row_version,
    ctid as place,
    id as message_id,
    conversation_id,
    sender_id,
    message_type,
    char_length(content) as content_length,
    created_at,
    updated_at as edited_at,
    deleted_at
from messages
