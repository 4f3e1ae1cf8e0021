-- Gives a key to each conversation id in staging.mentioned that has no row: a placeholder, not shown as a
-- conversation, so that no fact loses its id.
-- grain: one row per id
insert into core.dim_conversations by name
select
    (select coalesce(max(keyed.conversation_key), 0) from core.dim_conversations as keyed)
    + row_number() over (order by mentioned.conversation_id) as conversation_key,
    mentioned.conversation_id,
    false as in_source
from (
    select distinct conversation_id
    from staging.mentioned
    where conversation_id is not null
) as mentioned
anti join core.dim_conversations as known on mentioned.conversation_id = known.conversation_id;
