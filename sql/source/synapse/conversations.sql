-- conversations: rooms that are not spaces, with the title and the type that the room's state has now.
-- grain: one row per room
-- JSON is searched by patterns where one key decides: a key within a text has escaped quotes, so it never matches.
-- Only the title is decoded, as in messages.sql.
select
    rooms.room_id as conversation_id,
    case
        when exists (
            select 1
            from room_memberships as invited
            inner join event_json as invitation on invited.event_id = invitation.event_id
            where
                invited.room_id = rooms.room_id
                and invited.membership = 'invite'
                and invitation.json ~ '"is_direct": ?true'
        ) then 'direct'
        when exists (
            select 1
            from current_state_events as state
            inner join event_json as rules on state.event_id = rules.event_id
            where
                state.room_id = rooms.room_id
                and state.type = 'm.room.join_rules'
                and state.state_key = ''
                and rules.json ~ '"join_rule": ?"public"'
        ) then 'channel'
        else 'group'
    end as conversation_type,
    (
        select
            nullif(
                replace(replace(named.json, '\\', '\u005c'), '\u0000', '\ufffd')::jsonb #>> '{content,name}', ''
            ) as title
        from current_state_events as state
        inner join event_json as named on state.event_id = named.event_id
        where state.room_id = rooms.room_id and state.type = 'm.room.name' and state.state_key = ''
    ) as title,
    timestamptz 'epoch'
    + least(greatest(created.origin_server_ts, 0), 253402300799000) * interval '1 millisecond' as created_at
from rooms
left join current_state_events as creation
    on rooms.room_id = creation.room_id and creation.type = 'm.room.create' and creation.state_key = ''
left join events as created on creation.event_id = created.event_id
left join event_json as room on creation.event_id = room.event_id
where room.json is null or room.json !~ '"type": ?"m\.space"'
