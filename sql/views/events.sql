-- main.events: What happened in the messenger, by external ids.
-- grain: one row per event
-- An error where the source has none: core.is_available('events') tells.
create or replace view main.events as
select
    events.created_at, -- time of the event, UTC
    events.event_type, -- such as message.sent or user.online
    conversations.conversation_id, -- the conversation; null = none
    users.user_id, -- the user who acted; null = none
    core.with_zone(events.created_at) as created_at_tz -- created_at with its zone
from core.fact_events as events
left join core.dim_conversations as conversations using (conversation_key)
left join core.dim_users as users using (user_key)
union all
select
    core.refusal('events') as created_at,
    core.refusal('events') as event_type,
    core.refusal('events') as conversation_id,
    core.refusal('events') as user_id,
    core.refusal('events') as created_at_tz
where not core.is_available('events');
