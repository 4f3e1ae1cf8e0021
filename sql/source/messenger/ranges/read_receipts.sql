-- read_receipts: those of a range of places, whatever their version, with their message's
-- conversation and time.
-- grain: one row per message and user
-- Conventions as in messages.sql. `offset 0` looks each message up by its id: what a range costs
-- must not grow with the table of messages.
select
    receipt.message_id,
    receipt.user_id,
    message.conversation_id,
    case
        when receipt.read_at < '0001-01-01 00:00:00+00' then '0001-01-01 00:00:00+00'
        when receipt.read_at > '9999-12-31 23:59:59.999999+00' then '9999-12-31 23:59:59.999999+00'
        else receipt.read_at
    end as read_at,
    case
        when message.created_at < '0001-01-01 00:00:00+00' then '0001-01-01 00:00:00+00'
        when message.created_at > '9999-12-31 23:59:59.999999+00' then '9999-12-31 23:59:59.999999+00'
        else message.created_at
    end as message_created_at
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
    receipt.ctid >= current_setting('analytics.first_place')::tid
    and receipt.ctid < current_setting('analytics.until_place')::tid
    and (
        (select current_setting('analytics.coverage') = '{[,)}')
        or receipt.read_at <@ (select current_setting('analytics.coverage')::tstzmultirange)
    )
