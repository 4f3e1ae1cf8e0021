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
        from staging.dimension as staged
        inner join core.dim_conversations as conversations on staged.conversation_id = conversations.conversation_id
        inner join core.dim_users as users on staged.user_id = users.user_id
        inner join core.dimension as dimension
            on conversations.conversation_key = dimension.conversation_key and users.user_key = dimension.user_key
    ) as keyed
) as changed;
