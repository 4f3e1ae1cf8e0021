-- How many rows of members there will be when the staged ones are put over the known ones: fewer at the source
-- means that some were hard-deleted there. Only the staged ones are looked up: the known ones are many, and
-- nearly all of them unchanged.
-- grain: one row
with known as (
    select count(*) as row_count
    from core.dimension
),

staged_and_known as (
    select count(*) as row_count
    from staging.dimension as staged
    inner join core.dim_conversations as conversations on staged.conversation_id = conversations.conversation_id
    inner join core.dim_users as users on staged.user_id = users.user_id
    inner join core.dimension as dimension
        on
            conversations.conversation_key = dimension.conversation_key
            and users.user_key = dimension.user_key
)

select known.row_count - staged_and_known.row_count + (select count(*) from staging.dimension) as row_count
from known
cross join staged_and_known;
