-- core.conversations: Conversations, and placeholders for ids that only facts mention.
-- grain: one row per conversation id ever seen
create table core.conversations (
    conversation_key integer not null,
    conversation_id uuid not null,
    conversation_type varchar,
    title varchar,
    created_at timestamp,
    in_source boolean not null
);

comment on table core.conversations is 'Conversations, and placeholders for ids that only facts mention. Grain: one row per conversation id ever seen.';
comment on column core.conversations.conversation_key is 'integer key, given once and never reused';
comment on column core.conversations.conversation_id is 'id at the source; opaque';
comment on column core.conversations.conversation_type is 'direct, group or channel';
comment on column core.conversations.title is 'title, as the source has it now';
comment on column core.conversations.created_at is 'created, UTC';
comment on column core.conversations.in_source is 'false for a placeholder: the source has no such conversation (any more)';
