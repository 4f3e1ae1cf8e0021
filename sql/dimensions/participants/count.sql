-- How many memberships there will be when the staged ones are put over the known ones: fewer at
-- the source means that some were hard-deleted there.
-- grain: one row
select count(*) as row_count
from (
    select
        conversations.conversation_id,
        users.user_id
    from core.participants
    inner join core.conversations as conversations using (conversation_key)
    inner join core.users as users using (user_key)
    union
    select
        conversation_id,
        user_id
    from staging.participants
) as merged;
