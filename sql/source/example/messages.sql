-- messages: what people and the messenger wrote; a deleted message keeps its row and its body.
-- grain: one row per message, deleted ones too
-- Milliseconds are limited to the years 1970 to 9999 before they are multiplied, so that none can overflow.
select
    xmin as row_version,
    ctid as place,
    id as message_id,
    "roomId" as conversation_id,
    "authorId" as sender_id,
    lower(kind::text) as message_type,
    char_length(body) as content_length,
    timestamptz 'epoch' + least(greatest("sentAtMs", 0), 253402300799000) * interval '1 millisecond' as created_at,
    case
        when "editedAtMs" > 0
            then timestamptz 'epoch' + least("editedAtMs", 253402300799000) * interval '1 millisecond'
    end as edited_at,
    case when "isDeleted" then "updatedAt" at time zone 'UTC' end as deleted_at
from app."Message"
