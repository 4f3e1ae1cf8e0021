-- What the read receipts in the day files $files add up to, day by day.
-- grain: one row per UTC day that has any
-- The counterpart for the source, which says what $tier is: sql/source/messenger/sums/read_receipts.sql.
select
    cast(lake.read_at as date) as day,
    count(*) as row_count,
    cast(sum(
        case cast($tier as varchar)
            when 'cheap'
                then
                    coalesce(epoch_us(lake.read_at), 0)
                    + coalesce(epoch_us(lake.message_created_at), 0)
            when 'full' then cast('0x' || left(md5(concat_ws(
                '|',
                coalesce(cast(lake.message_id as varchar), '-'),
                coalesce(cast(lake.user_id as varchar), '-'),
                coalesce(cast(lake.conversation_id as varchar), '-'),
                coalesce(cast(epoch_us(lake.read_at) as varchar), '-'),
                coalesce(cast(epoch_us(lake.message_created_at) as varchar), '-')
            )), 15) as bigint)
        end
    ) as varchar) as total
from read_parquet($files, hive_partitioning = false) as lake
group by day
order by day;
