-- On which days of [$since, $until) core.events is not what the day files $files hold.
-- grain: one row per UTC day that differs
-- Conventions as in the messages' disagreeing_days.sql.
with lake as (
    select
        cast(filed.created_at as date) as day,
        count(*) as row_count,
        sum(cast(hash(
            filed.created_at,
            filed.event_type,
            filed.conversation_id,
            filed.user_id
        ) as hugeint)) as total
    from read_parquet($files, hive_partitioning = false) as filed
    group by day
),

here as (
    select
        cast(held.created_at as date) as day,
        count(*) as row_count,
        sum(cast(hash(
            held.created_at,
            held.event_type,
            conversations.conversation_id,
            users.user_id
        ) as hugeint)) as total
    from (
        select *
        from core.events
        where created_at >= $since and created_at < $until
    ) as held
    left join core.conversations as conversations on held.conversation_key = conversations.conversation_key
    left join core.users as users on held.user_key = users.user_key
    group by day
)

select coalesce(lake.day, here.day) as day
from lake
full join here on lake.day = here.day
where lake.row_count is distinct from here.row_count or lake.total is distinct from here.total
order by day;
