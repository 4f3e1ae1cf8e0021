-- sums: what the read receipts of each UTC day add up to under this snapshot.
-- grain: one row per UTC day that has any
-- Conventions as in messages.sql.
select
    (found.read_at at time zone 'UTC')::date as day,
    count(*) as row_count,
    sum(
        case (select current_setting('analytics.tier'))
            when 'cheap'
                then
                    coalesce((extract(epoch from found.read_at) * 1000000)::bigint, 0)
                    + coalesce((extract(epoch from found.message_created_at) * 1000000)::bigint, 0)
            when 'full'
                then
                    ('x' || left(md5(convert_to(
                        concat_ws(
                            '|',
                            coalesce(found.message_id::text, '-'),
                            coalesce(
                                (select current_setting('analytics.erased')::jsonb) ->> found.user_id::text,
                                found.user_id::text,
                                '-'
                            ),
                            coalesce(found.conversation_id::text, '-'),
                            coalesce((extract(epoch from found.read_at) * 1000000)::bigint::text, '-'),
                            coalesce((extract(epoch from found.message_created_at) * 1000000)::bigint::text, '-')
                        ), 'UTF8'
                    )), 15))::bit(60)::bigint
        end
    )::text as total
from (
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
    left join messages as message on receipt.message_id = message.id
    where
        (select current_setting('analytics.days') = '{[,)}')
        or receipt.read_at <@ (select current_setting('analytics.days')::tstzmultirange)
) as found
group by day
order by day
