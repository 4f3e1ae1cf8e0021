-- Puts the staged memberships over the known ones.
-- grain: one row per conversation and user
delete from core.participants
using
    staging.participants as staged,
    core.conversations as conversations,
    core.users as users
where
    staged.conversation_id = conversations.conversation_id
    and staged.user_id = users.user_id
    and participants.conversation_key = conversations.conversation_key
    and participants.user_key = users.user_key;

insert into core.participants by name
select
    conversations.conversation_key,
    users.user_key,
    staged.role,
    staged.joined_at,
    staged.left_at
from staging.participants as staged
inner join core.conversations as conversations on staged.conversation_id = conversations.conversation_id
inner join core.users as users on staged.user_id = users.user_id
order by conversations.conversation_key, users.user_key;
