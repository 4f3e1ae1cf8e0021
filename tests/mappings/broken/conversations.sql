-- conversations: not pushed down, because DISTINCT ON must see every row before the condition on xmin.
-- grain: one row per channel
select distinct on (channel.id)
    channel.xmin as row_version,
    channel.id as conversation_id,
    case when direct."group" then 'group' else 'channel' end as conversation_type,
    channel.name as title,
    channel.created_at at time zone 'UTC' as created_at
from chat_channels as channel
left join direct_message_channels as direct on channel.chatable_id = direct.id
