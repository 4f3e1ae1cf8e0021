-- The conversations in staging.gone_conversations, which the source no longer has: what is known of them goes, the
-- key stays for the facts that mention it.
update core.dim_conversations
set
    conversation_type = null,
    title = null,
    created_at = null,
    in_source = false
where conversation_id in (select conversation_id from staging.gone_conversations);
