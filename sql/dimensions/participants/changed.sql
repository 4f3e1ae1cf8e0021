-- Counts the staged memberships that are new or differ from the warehouse; with $is_proof only those with a
-- row version older than the watermark: the source changed them silently.
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
    where not (is_new and cast($is_proof as boolean))
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
