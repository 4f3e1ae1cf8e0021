-- messages: updated_at changes for many reasons, so the last revision tells when a message was edited.
-- grain: one row per message, deleted ones too
-- Uploads name messages by either of two words, depending on the version that wrote them.
select
    message.xmin as row_version,
    message.ctid as place,
    message.id as message_id,
    message.chat_channel_id as conversation_id,
    message.user_id as sender_id,
    case
        when message.user_id = -1 then 'system'
        when
            exists (
                select 1
                from upload_references as reference
                inner join uploads on reference.upload_id = uploads.id
                where
                    reference.target_id = message.id
                    and reference.target_type in ('ChatMessage', 'Chat::Message')
                    and lower(uploads.extension) in ('avif', 'gif', 'heic', 'jpeg', 'jpg', 'png', 'svg', 'webp')
            )
            then 'image'
        when
            exists (
                select 1
                from upload_references as reference
                where
                    reference.target_id = message.id
                    and reference.target_type in ('ChatMessage', 'Chat::Message')
            )
            then 'file'
        else 'text'
    end as message_type,
    char_length(message.message) as content_length,
    message.created_at at time zone 'UTC' as created_at,
    (
        select max(revision.created_at)
        from chat_message_revisions as revision
        where revision.chat_message_id = message.id
    ) at time zone 'UTC' as edited_at,
    message.deleted_at at time zone 'UTC' as deleted_at
from chat_messages as message
