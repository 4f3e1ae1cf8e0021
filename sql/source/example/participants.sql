-- participants: who is in a room now; nobody recorded when they joined, or who left.
-- grain: one row per room and user, although the array may name somebody twice
select
    room.xmin as row_version,
    room.ctid as place,
    room.id as conversation_id,
    member.user_id,
    'member' as role,
    room."createdAt" at time zone 'UTC' as joined_at,
    null::timestamptz as left_at
from app."Room" as room
cross join lateral (select distinct unnest(room."memberIds")) as member (user_id)  -- noqa: ST05
