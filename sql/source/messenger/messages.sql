-- messages: those whose row version is at or after the base; all of them on a full read.
-- grain: one row per message, deleted ones too
-- The text stays at home: only its length in characters is selected.
select
    id as message_id,
    conversation_id,
    sender_id,
    message_type,
    created_at,
    updated_at as edited_at,
    deleted_at,
    length(content) as content_length
from messages
where
    (select current_setting('analytics.base') = '')
    or age(xmin) between 0 and (select age(nullif(current_setting('analytics.base'), '')::xid))
