-- reactions: who reacted to which message with which emoji, with the message's channel and time.
-- grain: one row per message, user and emoji
select
    reaction.xmin as row_version,
    reaction.ctid as place,
    reaction.chat_message_id as message_id,
    reaction.user_id,
    reaction.emoji,
    message.chat_channel_id as conversation_id,
    reaction.created_at at time zone 'UTC' as created_at,
    message.created_at at time zone 'UTC' as message_created_at
from chat_message_reactions as reaction
left join chat_messages as message on reaction.chat_message_id = message.id
