-- sums: what all memberships add up to under this snapshot.
-- grain: one row, without a day
-- Conventions as in messages.sql.
select
    null::date as day,
    count(*) as row_count,
    sum(
        case (select current_setting('analytics.tier'))
            when 'cheap'
                then
                    coalesce((extract(epoch from found.joined_at) * 1000000)::bigint, 0)
                    + coalesce((extract(epoch from found.left_at) * 1000000)::bigint, 0)
                    + coalesce(length(found.role), 0)
            when 'full'
                then
                    ('x' || left(md5(convert_to(
                        concat_ws(
                            '|',
                            coalesce(found.conversation_id::text, '-'),
                            coalesce(
                                (select current_setting('analytics.erased')::jsonb) ->> found.user_id::text,
                                found.user_id::text,
                                '-'
                            ),
                            coalesce(length(found.role) || ':' || found.role, '-'),
                            coalesce((extract(epoch from found.joined_at) * 1000000)::bigint::text, '-'),
                            coalesce((extract(epoch from found.left_at) * 1000000)::bigint::text, '-')
                        ), 'UTF8'
                    )), 15))::bit(60)::bigint
        end
    )::text as total
from (
    select
        conversation_id,
        user_id,
        role,
        case
            when joined_at < '0001-01-01 00:00:00+00' then '0001-01-01 00:00:00+00'
            when joined_at > '9999-12-31 23:59:59.999999+00' then '9999-12-31 23:59:59.999999+00'
            else joined_at
        end as joined_at,
        case
            when left_at < '0001-01-01 00:00:00+00' then '0001-01-01 00:00:00+00'
            when left_at > '9999-12-31 23:59:59.999999+00' then '9999-12-31 23:59:59.999999+00'
            else left_at
        end as left_at
    from conversation_participants
) as found
