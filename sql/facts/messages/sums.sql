-- What the messages in the day files $files add up to, day by day.
-- grain: one row per UTC day that has any
-- The counterpart for the source, which says what $tier is: sql/source/messenger/sums/messages.sql.
select
    cast(lake.created_at as date) as day,
    count(*) as row_count,
    cast(sum(
        case cast($tier as varchar)
            when 'cheap'
                then
                    coalesce(epoch_us(lake.created_at), 0)
                    + coalesce(epoch_us(lake.edited_at), 0)
                    + coalesce(epoch_us(lake.deleted_at), 0)
                    + coalesce(lake.content_length, 0)
            when 'full' then cast('0x' || left(md5(concat_ws(
                '|',
                coalesce(cast(lake.message_id as varchar), '-'),
                coalesce(cast(lake.conversation_id as varchar), '-'),
                coalesce(cast(lake.sender_id as varchar), '-'),
                coalesce(length(lake.message_type) || ':' || lake.message_type, '-'),
                coalesce(cast(epoch_us(lake.created_at) as varchar), '-'),
                coalesce(cast(epoch_us(lake.edited_at) as varchar), '-'),
                coalesce(cast(epoch_us(lake.deleted_at) as varchar), '-'),
                coalesce(cast(lake.content_length as varchar), '-')
            )), 15) as bigint)
        end
    ) as varchar) as total
from read_parquet($files, hive_partitioning = false) as lake
group by day
order by day;
