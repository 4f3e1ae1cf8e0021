-- Counts the receipts in temp.counted_receipts, whose rows were taken out of core.read_days; temp.own_reads has
-- those of one's own messages.
insert into core.read_days by name
select
    cast(receipts.read_at as date) as day,
    receipts.conversation_key,
    receipts.user_key,
    count(*) as read_count,
    count(own.created_at) as own_read_count,
    min(receipts.read_at) as first_at,
    max(receipts.read_at) as last_at
from temp.counted_receipts as receipts
left join temp.own_reads as own
    on
        receipts.conversation_key = own.conversation_key
        and receipts.user_key = own.sender_key
        and receipts.message_created_at = own.created_at
group by day, receipts.conversation_key, receipts.user_key
order by day, receipts.conversation_key, receipts.user_key;
