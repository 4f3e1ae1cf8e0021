-- core.dim_participants: Membership: who takes part, or took part, in which conversation. It decides who may
-- see what.
-- grain: one row per conversation and user
create table core.dim_participants (
    conversation_key integer, -- the conversation: core.dim_conversations.conversation_key; null = none or unknown
    user_key integer, -- the member: core.dim_users.user_key
    role varchar, -- role in the conversation
    joined_at timestamp, -- time of joining, UTC
    left_at timestamp -- time of leaving, UTC; null = present
);
