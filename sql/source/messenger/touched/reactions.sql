-- A reaction carries the conversation and the time of its message.
-- grain: one row per message
select
    xmin as row_version,
    id as message_id
from messages
