-- read_marks: the last message that each member has read in each channel, and when they last viewed it.
-- grain: one row per channel and user
select
    membership.chat_channel_id as conversation_id,
    membership.user_id,
    message.created_at at time zone 'UTC' as read_through_at,
    membership.last_viewed_at at time zone 'UTC' as marked_at
from user_chat_channel_memberships as membership
left join chat_messages as message on membership.last_read_message_id = message.id
