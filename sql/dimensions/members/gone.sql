-- Rows of members that the source no longer has: they end. staging.keys_of_dimension holds all the source's.
delete from core.dimension
where (conversation_key, user_key) not in (
    select
        conversations.conversation_key,
        users.user_key
    from staging.keys_of_dimension as staged
    inner join core.dim_conversations as conversations on staged.conversation_id = conversations.conversation_id
    inner join core.dim_users as users on staged.user_id = users.user_id
);
