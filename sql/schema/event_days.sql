-- core.event_days: Events counted by day, type, conversation and user.
-- grain: one row per UTC day, event type, conversation and user
-- Empty, which is not 0, where the source has none: core.is_available('events') tells.
create table core.event_days (
    day date, -- UTC day
    event_type varchar, -- as at the source
    conversation_key integer, -- the conversation: core.dim_conversations.conversation_key; null = none or unknown
    user_key integer, -- the user who acted: core.dim_users.user_key; null = none
    event_count integer not null -- events
);
