-- reactions: who reacted to which post with which emoji, with the post's channel and time. A removed one keeps
-- its row; it is left out, and the count of its day tells, as for a row that is gone.
-- grain: one row per post, user and emoji
select
    reactions.xmin as row_version,
    reactions.ctid as place,
    reactions.postid as message_id,
    reactions.userid as user_id,
    reactions.emojiname as emoji,
    posts.channelid as conversation_id,
    timestamptz 'epoch'
    + least(greatest(reactions.createat, 0), 253402300799000) * interval '1 millisecond' as created_at,
    case
        when posts.id is not null
            then
                timestamptz 'epoch'
                + least(greatest(posts.createat, 0), 253402300799000) * interval '1 millisecond'
    end as message_created_at
from reactions
left join posts on reactions.postid = posts.id
where coalesce(reactions.deleteat, 0) = 0
