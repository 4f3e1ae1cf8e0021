-- unique_keys: no id has two keys, no key two ids, and no member two rows.
-- grain: one row per duplicate; none = healthy
-- The file has no unique constraints, because crash replay has broken files with indexes: the merge
-- makes ids unique, and this check proves it.
select
    'users.user_id' as broken,
    cast(user_id as varchar) as offender
from core.dim_users
group by user_id
having count(*) > 1
union all
select
    'users.user_key' as broken,
    cast(user_key as varchar) as offender
from core.dim_users
group by user_key
having count(*) > 1
union all
select
    'conversations.conversation_id' as broken,
    cast(conversation_id as varchar) as offender
from core.dim_conversations
group by conversation_id
having count(*) > 1
union all
select
    'conversations.conversation_key' as broken,
    cast(conversation_key as varchar) as offender
from core.dim_conversations
group by conversation_key
having count(*) > 1
union all
select
    'participants' as broken,
    conversation_key || '/' || user_key as offender
from core.dim_participants
group by conversation_key, user_key
having count(*) > 1
union all
select
    'read_marks' as broken,
    conversation_key || '/' || user_key as offender
from core.dim_read_marks
group by conversation_key, user_key
having count(*) > 1;
