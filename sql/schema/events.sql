-- core.events: What happened in the messenger, ordered by time within a load.
-- grain: one row per event
create table core.events (
    created_at timestamp not null,
    event_type varchar,
    conversation_key integer,
    user_key integer
);

comment on table core.events is 'What happened in the messenger, ordered by time within a load. Grain: one row per event.';
comment on column core.events.created_at is 'happened, UTC';
comment on column core.events.event_type is 'such as message.sent or user.online';
comment on column core.events.conversation_key is 'the conversation: core.conversations.conversation_key; null = none or unknown';
comment on column core.events.user_key is 'who did it: core.users.user_key; null = nobody';
