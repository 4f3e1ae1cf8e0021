-- conversations: channels of categories, and direct messages of two or more, which have no title of their own.
-- grain: one row per channel
select
    channel.id as conversation_id,
    case
        when channel.chatable_type <> 'DirectMessage' then 'channel'
        when direct."group" then 'group'
        else 'direct'
    end as conversation_type,
    coalesce(nullif(channel.name, ''), category.name) as title,
    channel.created_at at time zone 'UTC' as created_at
from chat_channels as channel
left join direct_message_channels as direct
    on channel.chatable_id = direct.id and channel.chatable_type = 'DirectMessage'
left join categories as category
    on channel.chatable_id = category.id and channel.chatable_type = 'Category'
