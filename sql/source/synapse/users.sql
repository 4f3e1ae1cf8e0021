-- users: local accounts, and everybody else who was ever in a room.
-- grain: one row per user
-- users.creation_ts is in seconds; every other time is in milliseconds.
select
    users.name as user_id,
    coalesce(profiles.displayname, split_part(substr(users.name, 2), ':', 1)) as username,
    users.appservice_id is not null or coalesce(users.user_type = 'bot', false) as is_bot,
    timestamptz 'epoch' + users.creation_ts * interval '1 second' as created_at,
    null::timestamptz as deleted_at
from users
left join profiles on users.name = profiles.full_user_id
union all
select
    room_memberships.user_id,
    split_part(substr(room_memberships.user_id, 2), ':', 1) as username,
    false as is_bot,
    timestamptz 'epoch' + min(events.received_ts) * interval '1 millisecond' as created_at,
    null::timestamptz as deleted_at
from room_memberships
inner join events on room_memberships.event_id = events.event_id
where
    not exists (
        select 1 from users
        where users.name = room_memberships.user_id
    )
group by room_memberships.user_id
