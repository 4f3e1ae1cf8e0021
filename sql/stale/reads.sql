-- Finds the reads that are stale because messages of [$since, $until) have other senders: they are, or were, reads
-- of one's own messages.
insert into temp.stale_reads by name
with receipts as (
    select
        read_at,
        conversation_key,
        user_key,
        message_created_at
    from core.fact_read_receipts
    where message_created_at >= $since and message_created_at < $until
)

select
    cast(receipts.read_at as date) as day,
    receipts.conversation_key,
    receipts.user_key
from receipts
semi join temp.changed_senders as changed
    on
        receipts.conversation_key = changed.conversation_key
        and receipts.user_key = changed.sender_key
        and receipts.message_created_at = changed.created_at;
