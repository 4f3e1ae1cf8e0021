-- core.dim_conversations: Conversations, and placeholders for ids that only facts mention.
-- grain: one row per conversation id ever seen
create table core.dim_conversations (
    conversation_key integer not null, -- integer key, assigned once and never reused
    conversation_id conversation_id_type not null, -- id at the source; opaque
    conversation_type varchar, -- direct, group or channel
    title varchar, -- title, as it is now at the source
    created_at timestamp, -- time of creation, UTC
    in_source boolean not null -- false for a placeholder: the source has no such conversation, or no longer
);
