-- conversations: channels; private ones and group messages are groups.
-- grain: one row per channel
select
    xmin as row_version,
    ctid as place,
    id as conversation_id,
    case type::text
        when 'D' then 'direct'
        when 'O' then 'channel'
        else 'group'
    end as conversation_type,
    nullif(displayname, '') as title,
    case
        when createat > 0
            then timestamptz 'epoch' + least(createat, 253402300799000) * interval '1 millisecond'
    end as created_at
from channels
