-- users: agents, contacts and two kinds of bots. They share numbers, so the id is the kind and the number, as in
-- messages.sender_type and sender_id.
-- grain: one row per user
select
    xmin as row_version,
    ctid as place,
    'User:' || id as user_id,
    name as username,
    false as is_bot,
    created_at at time zone 'UTC' as created_at,
    null::timestamptz as deleted_at
from users
union all
select
    xmin as row_version,
    ctid as place,
    'Contact:' || id as user_id,
    name as username,
    false as is_bot,
    created_at at time zone 'UTC' as created_at,
    null::timestamptz as deleted_at
from contacts
union all
select
    xmin as row_version,
    ctid as place,
    'AgentBot:' || id as user_id,
    name as username,
    true as is_bot,
    created_at at time zone 'UTC' as created_at,
    null::timestamptz as deleted_at
from agent_bots
union all
select
    xmin as row_version,
    ctid as place,
    'Captain::Assistant:' || id as user_id,
    name as username,
    true as is_bot,
    created_at at time zone 'UTC' as created_at,
    null::timestamptz as deleted_at
from captain_assistants
