-- Rebuilds the UTC days $days of core.read_days from core.fact_read_receipts and core.fact_messages.
-- The messages may be of any day: a day is also rebuilt when a message changes that was read on it.
delete from core.read_days
where day in (select unnest(cast($days as date[])));

insert into core.read_days by name
with receipts as (
    select
        read_at,
        conversation_key,
        user_key,
        message_created_at
    from core.fact_read_receipts
    where
        cast(read_at as date) in (select unnest(cast($days as date[])))
        -- bounds by which DuckDB prunes the table
        and read_at >= list_min(cast($days as date[]))
        and read_at < list_max(cast($days as date[])) + interval 1 day
),

own as (
    select distinct
        messages.conversation_key,
        messages.sender_key,
        messages.created_at
    from core.fact_messages as messages
    semi join receipts
        on
            messages.conversation_key = receipts.conversation_key
            and messages.sender_key = receipts.user_key
            and messages.created_at = receipts.message_created_at
)

select
    cast(receipts.read_at as date) as day,
    receipts.conversation_key,
    receipts.user_key,
    count(*) as read_count,
    count(own.created_at) as own_read_count,
    min(receipts.read_at) as first_at,
    max(receipts.read_at) as last_at
from receipts
left join own
    on
        receipts.conversation_key = own.conversation_key
        and receipts.user_key = own.sender_key
        and receipts.message_created_at = own.created_at
group by day, receipts.conversation_key, receipts.user_key
order by day, receipts.conversation_key, receipts.user_key;
