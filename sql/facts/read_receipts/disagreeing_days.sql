-- On which days of [$since, $until) core.read_receipts is not what the day files $files hold.
-- grain: one row per UTC day that differs
-- Conventions as in the messages' disagreeing_days.sql.
with lake as (
    select
        cast(filed.read_at as date) as day,
        count(*) as row_count,
        sum(cast(hash(
            filed.read_at,
            filed.conversation_id,
            filed.user_id,
            filed.message_created_at
        ) as hugeint)) as total
    from read_parquet($files, hive_partitioning = false) as filed
    group by day
),

here as (
    select
        cast(held.read_at as date) as day,
        count(*) as row_count,
        sum(cast(hash(
            held.read_at,
            conversations.conversation_id,
            users.user_id,
            held.message_created_at
        ) as hugeint)) as total
    from (
        select *
        from core.read_receipts
        where read_at >= $since and read_at < $until
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
