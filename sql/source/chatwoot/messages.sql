-- messages: a deletion replaces the text and the attributes. Rails writes these as a JSON text within JSON, so a
-- pattern looks for the flag in either form; it is always the first key.
-- grain: one row per message, deleted ones too
-- message_type: 0 from the contact, 1 from an agent or bot, 2 an activity, 3 a template such as a greeting.
select
    message.xmin as row_version,
    message.ctid as place,
    message.id as message_id,
    message.conversation_id,
    message.sender_type || ':' || message.sender_id as sender_id,
    case
        when message.message_type in (2, 3) then 'system'
        when
            exists (
                select 1 from attachments
                where attachments.message_id = message.id and attachments.file_type = 0
            )
            then 'image'
        when
            exists (
                select 1 from attachments
                where attachments.message_id = message.id and attachments.file_type in (1, 2, 3)
            )
            then 'file'
        else 'text'
    end as message_type,
    case
        when message.content_attributes::text ~ '^"?\{\\?"deleted\\?": ?true' then null
        else char_length(message.content)
    end as content_length,
    message.created_at at time zone 'UTC' as created_at,
    null::timestamptz as edited_at,
    case
        when message.content_attributes::text ~ '^"?\{\\?"deleted\\?": ?true'
            then message.updated_at at time zone 'UTC'
    end as deleted_at
from messages as message
