-- conversations: each is with one contact, and known by its number in the account.
-- grain: one row per conversation
select
    xmin as row_version,
    ctid as place,
    id as conversation_id,
    'direct' as conversation_type,
    'No. ' || display_id as title,
    created_at at time zone 'UTC' as created_at
from conversations
