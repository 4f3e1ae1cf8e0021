-- How many rows of members there will be when the staged ones are put over the known ones: fewer at the source
-- means that some were hard-deleted there.
-- grain: one row
select count(*) as row_count
from (
    select
        conversations.conversation_id,
        users.user_id
    from core.dimension as dimension
    inner join core.dim_conversations as conversations on dimension.conversation_key = conversations.conversation_key
    inner join core.dim_users as users on dimension.user_key = users.user_key
    union
    select
        conversation_id,
        user_id
    from staging.dimension
) as merged;
