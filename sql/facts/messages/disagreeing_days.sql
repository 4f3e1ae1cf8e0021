-- On which days of [$since, $until) core.messages is not what the day files $files hold.
-- grain: one row per UTC day that differs
-- Through ids, because keys are ours; hash() is DuckDB's own and the same on both sides.
with lake as (
    select
        cast(filed.created_at as date) as day,
        count(*) as row_count,
        sum(cast(hash(
            filed.created_at,
            filed.conversation_id,
            filed.sender_id,
            filed.message_type,
            filed.content_length,
            filed.edited_at,
            filed.deleted_at
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
            conversations.conversation_id,
            users.user_id,
            held.message_type,
            held.content_length,
            held.edited_at,
            held.deleted_at
        ) as hugeint)) as total
    from (
        select *
        from core.messages
        where created_at >= $since and created_at < $until
    ) as held
    left join core.conversations as conversations on held.conversation_key = conversations.conversation_key
    left join core.users as users on held.sender_key = users.user_key
    group by day
)

select coalesce(lake.day, here.day) as day
from lake
full join here on lake.day = here.day
where lake.row_count is distinct from here.row_count or lake.total is distinct from here.total
order by day;
