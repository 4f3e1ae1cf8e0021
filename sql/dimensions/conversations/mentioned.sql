-- Gives a key to each conversation id that staged rows mention and no conversations row has: a
-- placeholder, not shown as a conversation, so that no fact loses its id.
-- grain: one row per id
insert into core.conversations by name
select
    (select coalesce(max(keyed.conversation_key), 0) from core.conversations as keyed)
    + row_number() over (order by mentioned.conversation_id) as conversation_key,
    mentioned.conversation_id,
    false as in_source
from (
    select conversation_id
    from staging.messages
    union
    select conversation_id
    from staging.read_receipts
    union
    select conversation_id
    from staging.events
    union
    select conversation_id
    from staging.participants
) as mentioned
anti join core.conversations as known on mentioned.conversation_id = known.conversation_id
where mentioned.conversation_id is not null;
