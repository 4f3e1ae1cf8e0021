-- reactions: who reacted to which message with which emoji, with the message's conversation and time.
-- grain: one row per message, user and emoji
select
    reaction.xmin as row_version,
    reaction.ctid as place,
    reaction.message_id,
    reaction.user_id,
    reaction.emoji,
    message.conversation_id,
    reaction.created_at,
    message.created_at as message_created_at
from message_reactions as reaction
left join messages as message on reaction.message_id = message.id
