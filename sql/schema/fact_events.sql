-- core.fact_events: What happened in the messenger, ordered by time within a load.
-- grain: one row per event
-- Empty, which is not 0, where the source has none: core.is_available('events') tells.
create table core.fact_events (
    created_at timestamp not null, -- time of the event, UTC
    event_type varchar, -- such as message.sent or user.online
    conversation_key integer, -- the conversation: core.dim_conversations.conversation_key; null = none or unknown
    user_key integer -- the user who acted: core.dim_users.user_key; null = none
);
