-- A viewer's circle: who is present in which of his conversations, as one digest. Two generations in
-- which it is the same show him the same conversations and people.
select
    md5(
        coalesce(
            string_agg(
                concat(conversations.conversation_id, ' ', users.user_id, ' ', users.deleted_at is not null), ','
                order by conversations.conversation_id, users.user_id
            ),
            ''
        )
    ) as circle
from (select conversation_key from core.conversations_of($viewer)) as mine
inner join core.conversations as conversations on mine.conversation_key = conversations.conversation_key
inner join core.participants as participants on mine.conversation_key = participants.conversation_key
inner join core.users as users on participants.user_key = users.user_key
where core.is_present(participants.joined_at, participants.left_at, core.data_through());
