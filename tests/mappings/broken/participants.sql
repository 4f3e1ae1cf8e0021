-- participants: null ids, as a join that finds nobody returns them.
-- grain: one row per channel and user
select
    xmin as row_version,
    chat_channel_id as conversation_id,
    nullif(user_id, user_id)::text as user_id,
    'member' as role,
    created_at at time zone 'UTC' as joined_at,
    null::timestamptz as left_at
from user_chat_channel_memberships
