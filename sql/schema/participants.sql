-- core.participants: Membership: who takes, or took, part in which conversation. It decides who may see what.
-- grain: one row per conversation and user
create table core.participants (
    conversation_key integer,
    user_key integer,
    role varchar,
    joined_at timestamp,
    left_at timestamp
);

comment on table core.participants is 'Membership: who takes, or took, part in which conversation. It decides who may see what. Grain: one row per conversation and user.';
comment on column core.participants.conversation_key is 'the conversation: core.conversations.conversation_key; null = none or unknown';
comment on column core.participants.user_key is 'the person: core.users.user_key';
comment on column core.participants.role is 'role in the conversation';
comment on column core.participants.joined_at is 'joined, UTC';
comment on column core.participants.left_at is 'left, UTC; null = present';
