-- events: duplicate keys, because a reaction is returned once for each channel that the person is in.
-- grain: meant to be one row per reaction
select
    reaction.xmin as row_version,
    reaction.ctid as place,
    reaction.id as event_id,
    'reaction' as event_type,
    reaction.user_id::text as user_id,
    membership.chat_channel_id as conversation_id,
    reaction.created_at at time zone 'UTC' as created_at
from chat_message_reactions as reaction
inner join user_chat_channel_memberships as membership on reaction.user_id = membership.user_id
