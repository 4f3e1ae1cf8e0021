-- How many staged memberships are new or not as the warehouse has them.
-- grain: one row
select count(*) as changed_rows
from (
    select
        conversation_id,
        user_id,
        role,
        joined_at,
        left_at
    from staging.participants
    except
    select
        conversations.conversation_id,
        users.user_id,
        participants.role,
        participants.joined_at,
        participants.left_at
    from core.participants as participants
    inner join core.conversations as conversations using (conversation_key)
    inner join core.users as users using (user_key)
) as changed;
