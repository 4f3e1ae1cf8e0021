-- read_receipts: who read which message and when, with that message's conversation and time.
-- grain: one row per message and user
-- A receipt's facts are stale when the receipt changed or when its message did (it moved, arrived
-- after its receipts, or was removed), so there are three branches, never two at once for one
-- receipt: all on a full read and those of whole days; other changed receipts; other receipts of
-- changed and of lost messages. Conventions as in messages.sql.
-- `offset 0` keeps the planner from joining whole tables for a few changed rows.
select
    found.message_id,
    found.user_id,
    found.conversation_id,
    case
        when found.read_at < '0001-01-01 00:00:00+00' then '0001-01-01 00:00:00+00'
        when found.read_at > '9999-12-31 23:59:59.999999+00' then '9999-12-31 23:59:59.999999+00'
        else found.read_at
    end as read_at,
    case
        when found.message_created_at < '0001-01-01 00:00:00+00' then '0001-01-01 00:00:00+00'
        when found.message_created_at > '9999-12-31 23:59:59.999999+00' then '9999-12-31 23:59:59.999999+00'
        else found.message_created_at
    end as message_created_at
from (
    select
        receipt.message_id,
        receipt.user_id,
        receipt.read_at,
        message.conversation_id,
        message.created_at as message_created_at
    from message_read_receipts as receipt
    left join messages as message on message.id = receipt.message_id
    where
        (select current_setting('analytics.watermark') = '')
        or (
            (select current_setting('analytics.days') <> '{}')
            and receipt.read_at <@ (select current_setting('analytics.days')::tstzmultirange)
        )
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
        (select current_setting('analytics.watermark') <> '')
        and age(receipt.xmin) between 0
        and (select age(nullif(current_setting('analytics.watermark'), '')::xid))
        and not (
            (select current_setting('analytics.days') <> '{}')
            and receipt.read_at <@ (select current_setting('analytics.days')::tstzmultirange)
        )
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
            (select current_setting('analytics.watermark') <> '')
            and age(messages.xmin) between 0
            and (select age(nullif(current_setting('analytics.watermark'), '')::xid))
        union all
        select
            lost.id,
            moved.conversation_id,
            moved.created_at
        from unnest((select current_setting('analytics.lost_messages')::uuid[])) as lost (id)
        left join messages as moved on lost.id = moved.id
        where
            moved.id is null
            or not age(moved.xmin) between 0
            and (select age(nullif(current_setting('analytics.watermark'), '')::xid))
    ) as message
    cross join lateral (
        select
            message_read_receipts.user_id,
            message_read_receipts.read_at
        from message_read_receipts
        where
            message_read_receipts.message_id = message.id
            and not age(message_read_receipts.xmin) between 0
            and (select age(nullif(current_setting('analytics.watermark'), '')::xid))
            and not (
                (select current_setting('analytics.days') <> '{}')
                and message_read_receipts.read_at <@ (select current_setting('analytics.days')::tstzmultirange)
            )
        offset 0
    ) as receipt
) as found
where
    (select current_setting('analytics.coverage') = '{[,)}')
    or found.read_at <@ (select current_setting('analytics.coverage')::tstzmultirange)
