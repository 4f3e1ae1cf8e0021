-- events: inserts the events of a JSON array ($1) that do not exist yet; the only statement with which the API writes.
-- grain: one row per event that is new
-- Writers that insert the same events do not deadlock, because each inserts them in the order of their ids.
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
