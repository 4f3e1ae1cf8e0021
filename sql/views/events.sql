-- events: What happened in the messenger, by external ids.
-- grain: one row per event
create or replace view main.events as
select
    events.created_at,
    events.event_type,
    conversations.conversation_id,
    users.user_id
from core.events as events
left join core.conversations as conversations using (conversation_key)
left join core.users as users using (user_key);

comment on view main.events is 'What happened in the messenger, by external ids. Grain: one row per event.';
comment on column main.events.created_at is 'happened, UTC';
comment on column main.events.event_type is 'such as message.sent or user.online';
comment on column main.events.conversation_id is 'where; null = nowhere';
comment on column main.events.user_id is 'who did it; null = nobody';
