-- main.read_marks: Up to where each member has read, by external ids, as it is now at the source.
-- grain: one row per conversation and user
-- An error where the source has none: core.is_available('read_marks') tells.
create or replace view main.read_marks as
select
    conversations.conversation_id, -- the conversation
    users.user_id, -- the member
    read_marks.read_through_at, -- messages up to this time are read, UTC; null = none is
    read_marks.marked_at, -- when the mark was set, UTC; null = unknown
    core.with_zone(read_marks.read_through_at) as read_through_at_tz, -- read_through_at with its zone
    core.with_zone(read_marks.marked_at) as marked_at_tz -- marked_at with its zone
from core.dim_read_marks as read_marks
inner join core.dim_conversations as conversations using (conversation_key)
inner join core.dim_users as users using (user_key)
union all
select
    core.refusal('read_marks') as conversation_id,
    core.refusal('read_marks') as user_id,
    core.refusal('read_marks') as read_through_at,
    core.refusal('read_marks') as marked_at,
    core.refusal('read_marks') as read_through_at_tz,
    core.refusal('read_marks') as marked_at_tz
where not core.is_available('read_marks');
