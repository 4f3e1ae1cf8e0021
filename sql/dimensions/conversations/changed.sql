-- Counts the staged conversations that are new or differ from the warehouse; with $is_proof only those with a
-- row version older than the watermark: the source changed them silently.
-- grain: one row
select count(*) as changed_rows
from (
    select
        conversation_id,
        conversation_type,
        title,
        created_at
    from staging.conversations
    where not (is_new and cast($is_proof as boolean))
    except
    select
        known.conversation_id,
        known.conversation_type,
        known.title,
        known.created_at
    from core.dim_conversations as known
    semi join staging.conversations using (conversation_id)
    where known.in_source
) as changed;
