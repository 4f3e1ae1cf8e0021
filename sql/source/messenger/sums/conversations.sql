-- sums: what all conversations add up to under this snapshot.
-- grain: one row, without a day
-- Conventions as in messages.sql.
select
    null::date as day,
    count(*) as row_count,
    sum(
        case (select current_setting('analytics.tier'))
            when 'cheap'
                then
                    coalesce((extract(epoch from found.created_at) * 1000000)::bigint, 0)
                    + coalesce(length(found.title), 0)
            when 'full'
                then
                    ('x' || left(md5(convert_to(
                        concat_ws(
                            '|',
                            coalesce(found.conversation_id::text, '-'),
                            coalesce(length(found.conversation_type) || ':' || found.conversation_type, '-'),
                            coalesce(length(found.title) || ':' || found.title, '-'),
                            coalesce((extract(epoch from found.created_at) * 1000000)::bigint::text, '-')
                        ), 'UTF8'
                    )), 15))::bit(60)::bigint
        end
    )::text as total
from (
    select
        id as conversation_id,
        type as conversation_type,
        title,
        case
            when created_at < '0001-01-01 00:00:00+00' then '0001-01-01 00:00:00+00'
            when created_at > '9999-12-31 23:59:59.999999+00' then '9999-12-31 23:59:59.999999+00'
            else created_at
        end as created_at
    from conversations
) as found
