-- A reaction carries the time of its message, which another server may send later than the reaction.
-- grain: one row per message
select
    xmin as row_version,
    ctid as place,
    event_id as message_id
from events
where type in ('m.room.message', 'm.room.encrypted', 'm.sticker')
