-- Conversations that the source no longer has: what is known of them goes, the key stays for the
-- facts that mention it. staging.keys_of_conversations holds the ids of all the source's conversations.
update core.dim_conversations
set
    conversation_type = null,
    title = null,
    created_at = null,
    in_source = false
where in_source and conversation_id not in (select conversation_id from staging.keys_of_conversations);
