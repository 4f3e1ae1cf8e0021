-- main.participants: Membership by external ids, as it is now at the source.
-- grain: one row per conversation and user
create or replace view main.participants as
select
    conversations.conversation_id, -- the conversation
    users.user_id, -- the member
    participants.role, -- role in the conversation
    participants.joined_at, -- time of joining, UTC
    participants.left_at, -- time of leaving, UTC; null = present
    core.with_zone(participants.joined_at) as joined_at_tz, -- joined_at with its zone
    core.with_zone(participants.left_at) as left_at_tz -- left_at with its zone
from core.dim_participants as participants
inner join core.dim_conversations as conversations using (conversation_key)
inner join core.dim_users as users using (user_key);
