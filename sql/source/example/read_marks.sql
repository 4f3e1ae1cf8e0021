-- read_marks: up to when each member has read a room.
-- grain: one row per room and user
select
    room.xmin as row_version,
    room.ctid as place,
    room.id as conversation_id,
    mark.user_id,
    case
        when mark.read_ms::bigint > 0
            then timestamptz 'epoch' + least(mark.read_ms::bigint, 253402300799000) * interval '1 millisecond'
    end as read_through_at,
    case
        when mark.read_ms::bigint > 0
            then timestamptz 'epoch' + least(mark.read_ms::bigint, 253402300799000) * interval '1 millisecond'
    end as marked_at
from app."Room" as room
cross join lateral jsonb_each_text(room."lastReadAt") as mark (user_id, read_ms)
