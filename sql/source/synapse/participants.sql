-- participants: who is, or was, in which room that is not a space; the last time they were.
-- grain: one row per room and user
-- A new display name is a membership event too, so only changes between in and out count.
with history as (
    select
        room_memberships.room_id,
        room_memberships.user_id,
        room_memberships.membership = 'join' as is_in,
        events.origin_server_ts,
        events.stream_ordering,
        lag(room_memberships.membership = 'join', 1, false) over person as was_in
    from room_memberships
    inner join events on room_memberships.event_id = events.event_id
    where events.rejection_reason is null
    window person as (
        partition by room_memberships.room_id, room_memberships.user_id
        order by events.stream_ordering
    )
),

changes as (
    select
        room_id,
        user_id,
        is_in,
        origin_server_ts as joined_ts,
        stream_ordering,
        lead(origin_server_ts) over (partition by room_id, user_id order by stream_ordering) as left_ts
    from history
    where is_in <> was_in
)

select distinct on (changes.room_id, changes.user_id)
    changes.room_id as conversation_id,
    changes.user_id,
    'member' as role,
    timestamptz 'epoch'
    + least(greatest(changes.joined_ts, 0), 253402300799000) * interval '1 millisecond' as joined_at,
    case
        when changes.left_ts is not null
            then
                timestamptz 'epoch'
                + least(greatest(changes.left_ts, 0), 253402300799000) * interval '1 millisecond'
    end as left_at
from changes
left join current_state_events as creation
    on changes.room_id = creation.room_id and creation.type = 'm.room.create' and creation.state_key = ''
left join event_json as room on creation.event_id = room.event_id
where changes.is_in and (room.json is null or room.json !~ '"type": ?"m\.space"')
order by changes.room_id asc, changes.user_id asc, changes.stream_ordering desc
