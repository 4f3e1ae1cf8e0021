-- core.event_days: Events counted by day, type, conversation and user.
-- grain: one row per UTC day, event type, conversation and user
create table core.event_days (
    day date,
    event_type varchar,
    conversation_key integer,
    user_key integer,
    event_count integer not null
);

comment on table core.event_days is 'Events counted by day, type, conversation and user. Grain: one row per UTC day, event type, conversation and user.';
comment on column core.event_days.day is 'UTC day';
comment on column core.event_days.event_type is 'as at the source';
comment on column core.event_days.conversation_key is 'the conversation: core.conversations.conversation_key; null = none or unknown';
comment on column core.event_days.user_key is 'who did it; null = nobody';
comment on column core.event_days.event_count is 'events';
