-- Puts the staged conversations over the known ones; a new id gets the next key, for good.
-- grain: one row per conversation
update core.dim_conversations as conversations
set
    conversation_type = staged.conversation_type,
    title = staged.title,
    created_at = staged.created_at,
    in_source = true
from staging.conversations as staged
where conversations.conversation_id = staged.conversation_id;

insert into core.dim_conversations by name
select
    (select coalesce(max(keyed.conversation_key), 0) from core.dim_conversations as keyed)
    + row_number() over (order by staged.created_at, staged.conversation_id) as conversation_key,
    staged.conversation_id,
    staged.conversation_type,
    staged.title,
    staged.created_at,
    true as in_source
from staging.conversations as staged
anti join core.dim_conversations as known on staged.conversation_id = known.conversation_id;
