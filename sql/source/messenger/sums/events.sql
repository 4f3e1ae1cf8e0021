-- sums: what the events of each UTC day add up to under this snapshot.
-- grain: one row per UTC day that has any
-- Conventions as in messages.sql.
select
    (found.created_at at time zone 'UTC')::date as day,
    count(*) as row_count,
    sum(
        case (select current_setting('analytics.tier'))
            when 'cheap'
                then
                    coalesce((extract(epoch from found.created_at) * 1000000)::bigint, 0)
                    + coalesce(length(found.event_type), 0)
            when 'full'
                then
                    ('x' || left(md5(convert_to(
                        concat_ws(
                            '|',
                            coalesce(found.event_id::text, '-'),
                            coalesce(length(found.event_type) || ':' || found.event_type, '-'),
                            coalesce(
                                (select current_setting('analytics.erased')::jsonb) ->> found.user_id::text,
                                found.user_id::text,
                                '-'
                            ),
                            coalesce(found.conversation_id::text, '-'),
                            coalesce((extract(epoch from found.created_at) * 1000000)::bigint::text, '-')
                        ), 'UTF8'
                    )), 15))::bit(60)::bigint
        end
    )::text as total
from (
    select
        id as event_id,
        event_type,
        user_id,
        conversation_id,
        case
            when created_at < '0001-01-01 00:00:00+00' then '0001-01-01 00:00:00+00'
            when created_at > '9999-12-31 23:59:59.999999+00' then '9999-12-31 23:59:59.999999+00'
            else created_at
        end as created_at
    from analytics_events
    where
        (select current_setting('analytics.days') = '{[,)}')
        or created_at <@ (select current_setting('analytics.days')::tstzmultirange)
) as found
group by day
order by day
