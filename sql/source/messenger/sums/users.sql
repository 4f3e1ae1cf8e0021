-- sums: what all users add up to under this snapshot.
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
                    + coalesce((extract(epoch from found.deleted_at) * 1000000)::bigint, 0)
            when 'full'
                then
                    ('x' || left(md5(convert_to(
                        concat_ws(
                            '|',
                            coalesce(
                                (select current_setting('analytics.erased')::jsonb) ->> found.user_id::text,
                                found.user_id::text,
                                '-'
                            ),
                            coalesce(length(found.username) || ':' || found.username, '-'),
                            coalesce(found.is_bot::integer::text, '-'),
                            coalesce((extract(epoch from found.created_at) * 1000000)::bigint::text, '-'),
                            coalesce((extract(epoch from found.deleted_at) * 1000000)::bigint::text, '-')
                        ), 'UTF8'
                    )), 15))::bit(60)::bigint
        end
    )::text as total
from (
    select
        id as user_id,
        is_bot,
        case when not (select current_setting('analytics.erased')::jsonb) ? id::text then username end as username,
        case
            when created_at < '0001-01-01 00:00:00+00' then '0001-01-01 00:00:00+00'
            when created_at > '9999-12-31 23:59:59.999999+00' then '9999-12-31 23:59:59.999999+00'
            else created_at
        end as created_at,
        case
            when deleted_at < '0001-01-01 00:00:00+00' then '0001-01-01 00:00:00+00'
            when deleted_at > '9999-12-31 23:59:59.999999+00' then '9999-12-31 23:59:59.999999+00'
            else deleted_at
        end as deleted_at
    from users
) as found
