-- Finds the conversations that are here and gone at the source: those whose ids a feed told, and that are not staged.
-- grain: one row: how many
create or replace table staging.gone_conversations as
select conversation_id
from core.dim_conversations as known
semi join staging.gone_keys_of_conversations using (conversation_id)
anti join staging.conversations using (conversation_id)
where known.in_source;

select count(*) as gone_rows
from staging.gone_conversations;
