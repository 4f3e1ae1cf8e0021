-- events: what people did, by type; the metadata stay in PostgreSQL.
-- grain: one row per event
select
    xmin as row_version,
    ctid as place,
    id as event_id,
    event_type,
    user_id,
    conversation_id,
    created_at
from analytics_events
