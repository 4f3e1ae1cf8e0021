-- events: writes those of a JSON array ($1) that are not there yet; the API's only write.
-- grain: one row per event that is new
-- The order of the ids keeps two writers that repeat the same events from waiting for each other.
insert into analytics_events (id, event_type, user_id, conversation_id, metadata, created_at)
select
    id,
    event_type,
    user_id,
    conversation_id,
    metadata,
    created_at
from
    json_to_recordset($1::json) as (
        id uuid,
        event_type text,
        user_id bigint,
        conversation_id uuid,
        metadata jsonb,
        created_at timestamptz
    )
order by id
on conflict do nothing
returning id::text as id
