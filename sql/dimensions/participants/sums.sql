-- What all memberships add up to.
-- grain: one row, without a day
-- The counterpart for the source, which says what $tier is: sql/source/messenger/sums/participants.sql.
select
    cast(null as date) as day,
    count(*) as row_count,
    cast(sum(
        case cast($tier as varchar)
            when 'cheap'
                then
                    coalesce(epoch_us(participants.joined_at), 0)
                    + coalesce(epoch_us(participants.left_at), 0)
                    + coalesce(length(participants.role), 0)
            when 'full' then cast('0x' || left(md5(concat_ws(
                '|',
                coalesce(cast(conversations.conversation_id as varchar), '-'),
                coalesce(cast(users.user_id as varchar), '-'),
                coalesce(length(participants.role) || ':' || participants.role, '-'),
                coalesce(cast(epoch_us(participants.joined_at) as varchar), '-'),
                coalesce(cast(epoch_us(participants.left_at) as varchar), '-')
            )), 15) as bigint)
        end
    ) as varchar) as total
from core.participants as participants
inner join core.conversations as conversations on participants.conversation_key = conversations.conversation_key
inner join core.users as users on participants.user_key = users.user_key;
