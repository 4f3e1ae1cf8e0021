-- participants: memberships whose row version is at or after the base; all on a full read.
-- grain: one row per conversation and user
select
    conversation_id,
    user_id,
    role,
    joined_at,
    left_at
from conversation_participants
where
    (select current_setting('analytics.base') = '')
    or age(xmin) between 0 and (select age(nullif(current_setting('analytics.base'), '')::xid))
