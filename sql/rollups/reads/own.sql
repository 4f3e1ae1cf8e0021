-- Finds the messages of [$since, $until) that their senders have read.
-- grain: one row per conversation, sender and instant
insert into temp.own_reads by name
with messages as (
    select
        conversation_key,
        sender_key,
        created_at
    from core.fact_messages
    where created_at >= $since and created_at < $until
)

select distinct messages.*
from messages
semi join temp.counted_receipts as receipts
    on
        messages.conversation_key = receipts.conversation_key
        and messages.sender_key = receipts.user_key
        and messages.created_at = receipts.message_created_at;
