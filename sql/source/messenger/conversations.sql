-- conversations: those whose row version is at or after the base; all of them on a full read.
-- grain: one row per conversation
select
    id as conversation_id,
    type as conversation_type,
    title,
    created_at
from conversations
where
    (select current_setting('analytics.base') = '')
    or age(xmin) between 0 and (select age(nullif(current_setting('analytics.base'), '')::xid))
