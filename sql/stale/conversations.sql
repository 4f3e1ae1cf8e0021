-- Finds what is stale because a conversation has another type: a new key has no facts yet, so only those of
-- temp.known_conversations count. The rollups tell the days, and a day whose facts this batch changes is stale
-- anyway.
-- grain: one row per fact and UTC day with rows of such a conversation
create or replace temporary table temp.changed_conversations as
select known.conversation_key
from temp.known_conversations as known
inner join core.dim_conversations as conversations on known.conversation_key = conversations.conversation_key
where known.conversation_type is distinct from conversations.conversation_type;

insert into temp.stale_outcomes by name
select distinct
    written.conversation_key,
    written.day
from core.message_days as written
semi join temp.changed_conversations as changed on written.conversation_key = changed.conversation_key;

select distinct
    'messages' as fact,
    written.day
from core.message_days as written
semi join temp.changed_conversations as changed on written.conversation_key = changed.conversation_key
union all
select distinct
    'read_receipts' as fact,
    reads.day
from core.read_days as reads
semi join temp.changed_conversations as changed on reads.conversation_key = changed.conversation_key;
