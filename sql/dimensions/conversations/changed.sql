-- How many staged conversations are new or not as the warehouse has them.
-- grain: one row
select count(*) as changed_rows
from (
    select
        conversation_id,
        conversation_type,
        title,
        created_at
    from staging.conversations
    except
    select
        conversation_id,
        conversation_type,
        title,
        created_at
    from core.conversations
    where in_source
) as changed;
