-- participants: Membership by external ids, as the source has it now.
-- grain: one row per conversation and user
create or replace view main.participants as
select
    conversations.conversation_id,
    users.user_id,
    participants.role,
    participants.joined_at,
    participants.left_at
from core.participants as participants
inner join core.conversations as conversations using (conversation_key)
inner join core.users as users using (user_key);

comment on view main.participants is 'Membership by external ids, as the source has it now. Grain: one row per conversation and user.';
comment on column main.participants.conversation_id is 'the conversation';
comment on column main.participants.user_id is 'the member';
comment on column main.participants.role is 'role in the conversation';
comment on column main.participants.joined_at is 'joined, UTC';
comment on column main.participants.left_at is 'left, UTC; null = present';
