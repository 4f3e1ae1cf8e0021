-- A digest of what a viewer sees: the participants who are present in the viewer's conversations.
-- grain: one row
-- Two generations with the same digest show the viewer the same conversations and people. Ids may contain any
-- character, so no separator would tell them apart: digests of equal length stand for them.
-- The arguments are positional, because macros of an older generation may name them differently.
select
    md5(
        coalesce(
            string_agg(
                concat(
                    md5(cast(conversations.conversation_id as varchar)),
                    md5(cast(users.user_id as varchar)),
                    users.deleted_at is not null
                ),
                ','
                order by conversations.conversation_id, users.user_id
            ),
            ''
        )
    ) as visibility
from (select conversation_key from core.conversations_of($viewer)) as visible
inner join core.dim_conversations as conversations on visible.conversation_key = conversations.conversation_key
inner join core.dim_participants as participants on visible.conversation_key = participants.conversation_key
inner join core.dim_users as users on participants.user_key = users.user_key
where core.is_present(participants.joined_at, participants.left_at, core.data_through());
