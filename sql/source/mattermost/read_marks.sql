-- read_marks: when each member last viewed each channel, and so up to when they have read it.
-- grain: one row per channel and user
select
    xmin as row_version,
    ctid as place,
    channelid as conversation_id,
    userid as user_id,
    case
        when lastviewedat > 0
            then timestamptz 'epoch' + least(lastviewedat, 253402300799000) * interval '1 millisecond'
    end as read_through_at,
    case
        when lastviewedat > 0
            then timestamptz 'epoch' + least(lastviewedat, 253402300799000) * interval '1 millisecond'
    end as marked_at
from channelmembers
