-- The days of the messages that were read, but for those before the year 1 and after 9999, which no fact has. Begins
-- with no read of an own message; `own` fills the list.
-- grain: one row per UTC day
create or replace temporary table temp.own_reads (
    conversation_key integer,
    sender_key integer,
    created_at timestamp
);

select distinct cast(message_created_at as date) as day
from temp.counted_receipts
where message_created_at >= timestamp '0001-01-01' and message_created_at < timestamp '10000-01-01'
order by day;
