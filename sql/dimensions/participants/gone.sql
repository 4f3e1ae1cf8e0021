-- Memberships that the source no longer has: they end. staging.keys_of_participants holds all the source's.
delete from core.participants
where (conversation_key, user_key) not in (
    select
        conversations.conversation_key,
        users.user_key
    from staging.keys_of_participants as staged
    inner join core.conversations as conversations on staged.conversation_id = conversations.conversation_id
    inner join core.users as users on staged.user_id = users.user_id
);
