-- events: what Chatwoot's reports are made of, such as `first_response` or `conversation_resolved`.
-- grain: one row per event
select
    xmin as row_version,
    ctid as place,
    id as event_id,
    name as event_type,
    'User:' || user_id as user_id,
    conversation_id,
    created_at at time zone 'UTC' as created_at
from reporting_events
