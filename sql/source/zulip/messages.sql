-- messages: a deletion moves a message to the archive, and a restored one is in both tables.
-- grain: one row per message, deleted ones too while the archive has them
select
    message.xmin as row_version,
    message.ctid as place,
    message.id as message_id,
    case
        when recipient.type = 1
            then
                'dm:' || least(message.sender_id, recipient.type_id)
                || '-' || greatest(message.sender_id, recipient.type_id)
        else message.recipient_id::text
    end as conversation_id,
    message.sender_id,
    case
        when message.type = 2 then 'system'
        when message.has_image then 'image'
        when message.has_attachment then 'file'
        else 'text'
    end as message_type,
    char_length(message.content) as content_length,
    message.date_sent as created_at,
    message.last_edit_time as edited_at,
    null::timestamptz as deleted_at
from zerver_message as message
left join zerver_recipient as recipient on message.recipient_id = recipient.id
union all
select
    archived.xmin as row_version,
    archived.ctid as place,
    archived.id as message_id,
    case
        when recipient.type = 1
            then
                'dm:' || least(archived.sender_id, recipient.type_id)
                || '-' || greatest(archived.sender_id, recipient.type_id)
        else archived.recipient_id::text
    end as conversation_id,
    archived.sender_id,
    case
        when archived.type = 2 then 'system'
        when archived.has_image then 'image'
        when archived.has_attachment then 'file'
        else 'text'
    end as message_type,
    char_length(archived.content) as content_length,
    archived.date_sent as created_at,
    archived.last_edit_time as edited_at,
    archive.timestamp as deleted_at
from zerver_archivedmessage as archived
left join zerver_recipient as recipient on archived.recipient_id = recipient.id
left join zerver_archivetransaction as archive on archived.archive_transaction_id = archive.id
where not exists (
    select 1 from zerver_message as restored
    where restored.id = archived.id
)
