-- participants: who follows a channel; who left one keeps a membership that does not follow. In direct messages
-- following only lists the conversation, and direct_message_users decides who may read it.
-- grain: one row per channel and user
select
    membership.xmin as row_version,
    membership.ctid as place,
    membership.chat_channel_id as conversation_id,
    membership.user_id,
    'member' as role,
    membership.created_at at time zone 'UTC' as joined_at,
    case
        when
            not membership.following
            and not exists (
                select 1
                from chat_channels as channel
                inner join direct_message_users as member on channel.chatable_id = member.direct_message_channel_id
                where
                    channel.id = membership.chat_channel_id
                    and channel.chatable_type = 'DirectMessage'
                    and member.user_id = membership.user_id
            )
            then membership.updated_at at time zone 'UTC'
    end as left_at
from user_chat_channel_memberships as membership
