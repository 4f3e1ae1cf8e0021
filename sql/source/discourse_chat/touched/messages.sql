-- A revision edits a message, and an upload makes it an image or a file.
-- grain: one row per revision and per upload of a message
select
    xmin as row_version,
    ctid as place,
    chat_message_id as message_id
from chat_message_revisions
union all
select
    xmin as row_version,
    ctid as place,
    target_id as message_id
from upload_references
where target_type in ('ChatMessage', 'Chat::Message')
