-- events: what happened in rooms besides messages and reactions, by Matrix's types (a membership as
-- `member.join`), and one `visit` per person, device and UTC day; without a device Synapse records it repeatedly.
-- grain: one row per event
select
    events.xmin as row_version,
    events.ctid as place,
    events.event_id,
    case
        when room_memberships.membership is not null then 'member.' || room_memberships.membership
        else events.type
    end as event_type,
    coalesce(room_memberships.user_id, events.sender) as user_id,
    events.room_id as conversation_id,
    timestamptz 'epoch'
    + least(greatest(events.origin_server_ts, 0), 253402300799000) * interval '1 millisecond' as created_at
from events
left join room_memberships on events.event_id = room_memberships.event_id
where
    events.rejection_reason is null
    and not events.outlier
    and events.type not in ('m.room.message', 'm.room.encrypted', 'm.sticker', 'm.reaction')
union all
select
    visit.xmin as row_version,
    visit.ctid as place,
    'visit|' || visit.user_id || '|' || coalesce(visit.device_id, '') || '|' || visit.timestamp as event_id,
    'visit' as event_type,
    visit.user_id,
    null as conversation_id,
    timestamptz 'epoch' + visit.timestamp * interval '1 millisecond' as created_at
from user_daily_visits as visit
where
    not exists (
        select 1
        from user_daily_visits as same
        where
            same.user_id = visit.user_id
            and same.timestamp = visit.timestamp
            and same.device_id is not distinct from visit.device_id
            and same.ctid < visit.ctid
    )
