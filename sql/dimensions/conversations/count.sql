-- How many conversations there will be when the staged ones are put over the known ones: fewer at the
-- source means that some were hard-deleted there.
-- grain: one row
select count(*) as row_count
from (
    select conversation_id
    from core.dim_conversations
    where in_source
    union
    select conversation_id
    from staging.conversations
) as merged;
