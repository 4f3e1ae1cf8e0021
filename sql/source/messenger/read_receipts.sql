-- read_receipts: who read which message and when, with that message's conversation and time.
-- grain: one row per message and user
-- A receipt's facts are stale when the receipt changed or when its message did (it moved, or it
-- arrived after its receipts), so there are three branches, never two at once for one receipt:
-- everything on a full read; changed receipts; unchanged receipts of changed messages.
-- `offset 0` keeps the planner from joining whole tables for a few changed rows.
select
    receipt.message_id,
    receipt.user_id,
    receipt.read_at,
    message.conversation_id,
    message.created_at as message_created_at
from message_read_receipts as receipt
left join messages as message on receipt.message_id = message.id
where (select current_setting('analytics.base') = '')
union all
select
    receipt.message_id,
    receipt.user_id,
    receipt.read_at,
    message.conversation_id,
    message.created_at as message_created_at
from message_read_receipts as receipt
left join lateral (
    select
        messages.conversation_id,
        messages.created_at
    from messages
    where messages.id = receipt.message_id
    offset 0
) as message on true
where
    (select current_setting('analytics.base') <> '')
    and age(receipt.xmin) between 0
    and (select age(nullif(current_setting('analytics.base'), '')::xid))
union all
select
    message.id as message_id,
    receipt.user_id,
    receipt.read_at,
    message.conversation_id,
    message.created_at as message_created_at
from (
    select
        messages.id,
        messages.conversation_id,
        messages.created_at
    from messages
    where
        (select current_setting('analytics.base') <> '')
        and age(messages.xmin) between 0
        and (select age(nullif(current_setting('analytics.base'), '')::xid))
    offset 0
) as message
cross join lateral (
    select
        message_read_receipts.user_id,
        message_read_receipts.read_at
    from message_read_receipts
    where
        message_read_receipts.message_id = message.id
        and not age(message_read_receipts.xmin) between 0
        and (select age(nullif(current_setting('analytics.base'), '')::xid))
    offset 0
) as receipt
