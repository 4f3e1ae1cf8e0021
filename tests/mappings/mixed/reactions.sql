-- reactions: who reacted to which message with which emoji, with the message's conversation and time.
-- grain: one row per message, user and emoji
select
    reaction.xmin as row_version,
    reaction.ctid as place,
    reaction."messageId" as message_id,
    reaction."userId" as user_id,
    reaction.emoji,
    message."roomId" as conversation_id,
    to_timestamp(reaction.at / 1000) as created_at,
    to_timestamp(message."createdAt" / 1000) as message_created_at
from "Chat App"."Reaction" as reaction
left join "Chat App"."Message" as message on reaction."messageId" = message.id
