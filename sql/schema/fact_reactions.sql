-- core.fact_reactions: Reactions to messages, ordered by time within a load.
-- grain: one row per message, user and emoji
-- Empty, which is not 0, where the source has none: core.is_available('reactions') tells.
create table core.fact_reactions (
    created_at timestamp not null, -- time of the reaction, UTC
    conversation_key integer, -- the message's conversation: core.dim_conversations.conversation_key; null = unknown
    user_key integer, -- who reacted: core.dim_users.user_key
    emoji varchar, -- the emoji, or the name of a custom one
    message_created_at timestamp -- time of sending of the message, UTC; null = no such message
);
