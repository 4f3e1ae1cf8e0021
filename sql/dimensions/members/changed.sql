-- Counts the staged rows of members that are new or differ from the warehouse; with $is_proof only those with a
-- row version older than the watermark: the source changed them silently.
-- grain: one row
select count(*) as changed_rows
from (
    select * exclude (is_new)
    from staging.dimension
    where not (is_new and cast($is_proof as boolean))
    except
    select * exclude (conversation_key, user_key)
    from (
        select
            conversations.conversation_id,
            users.user_id,
            dimension.*
        from core.dimension as dimension
        inner join core.dim_conversations as conversations
            on dimension.conversation_key = conversations.conversation_key
        inner join core.dim_users as users on dimension.user_key = users.user_key
    ) as keyed
) as changed;
