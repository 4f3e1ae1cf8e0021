-- How many conversations there will be when the staged ones are put over the known ones: fewer at the
-- source means that some were hard-deleted there.
-- grain: one row
with known as (
    select count(*) as row_count
    from core.dim_conversations
    where in_source
),

staged_and_known as (
    select count(*) as row_count
    from staging.conversations as staged
    inner join core.dim_conversations as known on staged.conversation_id = known.conversation_id
    where known.in_source
)

select known.row_count - staged_and_known.row_count + (select count(*) from staging.conversations) as row_count
from known
cross join staged_and_known;
