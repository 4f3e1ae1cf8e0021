-- Puts the staged rows of members over the known ones.
-- grain: one row per conversation and user
delete from core.dimension as dimension
using
    staging.dimension as staged,
    core.dim_conversations as conversations,
    core.dim_users as users
where
    staged.conversation_id = conversations.conversation_id
    and staged.user_id = users.user_id
    and dimension.conversation_key = conversations.conversation_key
    and dimension.user_key = users.user_key;

insert into core.dimension by name
select * exclude (conversation_id, user_id, is_new)
from (
    select
        conversations.conversation_key,
        users.user_key,
        staged.*
    from staging.dimension as staged
    inner join core.dim_conversations as conversations on staged.conversation_id = conversations.conversation_id
    inner join core.dim_users as users on staged.user_id = users.user_id
) as keyed
order by conversation_key, user_key;
