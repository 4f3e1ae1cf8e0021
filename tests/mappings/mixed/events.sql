-- events: what people did, by type, without the payload.
-- grain: one row per event
select
    xmin as row_version,
    ctid as place,
    id as event_id,
    name as event_type,
    "userId" as user_id,
    "roomId" as conversation_id,
    to_timestamp(at / 1000) as created_at
from "Chat App"."Event"
