-- What all conversations add up to.
-- grain: one row, without a day
-- The counterpart for the source, which says what $tier is: sql/source/messenger/sums/conversations.sql.
select
    cast(null as date) as day,
    count(*) as row_count,
    cast(sum(
        case cast($tier as varchar)
            when 'cheap'
                then
                    coalesce(epoch_us(conversations.created_at), 0)
                    + coalesce(length(conversations.title), 0)
            when 'full' then cast('0x' || left(md5(concat_ws(
                '|',
                coalesce(cast(conversations.conversation_id as varchar), '-'),
                coalesce(length(conversations.conversation_type) || ':' || conversations.conversation_type, '-'),
                coalesce(length(conversations.title) || ':' || conversations.title, '-'),
                coalesce(cast(epoch_us(conversations.created_at) as varchar), '-')
            )), 15) as bigint)
        end
    ) as varchar) as total
from core.conversations as conversations
where conversations.in_source;
