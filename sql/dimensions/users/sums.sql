-- What all users add up to.
-- grain: one row, without a day
-- The counterpart for the source, which says what $tier is: sql/source/messenger/sums/users.sql.
select
    cast(null as date) as day,
    count(*) as row_count,
    cast(sum(
        case cast($tier as varchar)
            when 'cheap'
                then
                    coalesce(epoch_us(users.created_at), 0)
                    + coalesce(epoch_us(users.deleted_at), 0)
            when 'full' then cast('0x' || left(md5(concat_ws(
                '|',
                coalesce(cast(users.user_id as varchar), '-'),
                coalesce(length(users.username) || ':' || users.username, '-'),
                coalesce(cast(cast(users.is_bot as integer) as varchar), '-'),
                coalesce(cast(epoch_us(users.created_at) as varchar), '-'),
                coalesce(cast(epoch_us(users.deleted_at) as varchar), '-')
            )), 15) as bigint)
        end
    ) as varchar) as total
from core.users as users
where users.in_source;
