-- reactions: who reacted to which message with which emoji, with the message's room and time.
-- grain: one row per message, user and emoji
select
    reaction.xmin as row_version,
    reaction.ctid as place,
    reaction."messageId" as message_id,
    reaction."userId" as user_id,
    reaction.emoji,
    message."roomId" as conversation_id,
    reaction."createdAt" at time zone 'UTC' as created_at,
    case
        when message.id is not null
            then
                timestamptz 'epoch'
                + least(greatest(message."sentAtMs", 0), 253402300799000) * interval '1 millisecond'
    end as message_created_at
from app."Reaction" as reaction
left join app."Message" as message on reaction."messageId" = message.id
