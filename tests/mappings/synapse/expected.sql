-- What the analytics must say, asked of Synapse's tables in another way than the mapping does.
with edit as (
    select
        relates_to_id as id,
        max(origin_server_ts) as edited_ts,
        (array_agg(length(json::jsonb #>> '{content,m.new_content,body}') order by origin_server_ts desc))[1]
            as characters
    from event_relations
    inner join events using (event_id)
    inner join event_json using (event_id)
    where
        relation_type = 'm.replace'
        and (sender, type) = (select sender, type from events as e where e.event_id = relates_to_id)
    group by 1
),

deletion as (
    select
        redacts as id,
        min(origin_server_ts) as deleted_ts
    from redactions
    inner join events using (event_id)
    where not recheck or sender like '%:here'
    group by 1
),

message as (
    select
        events.*,
        edit.edited_ts,
        deletion.deleted_ts,
        case when deletion.id is null then coalesce(
            edit.characters,
            case when events.event_id = '$message-1' then 12 else length(content ->> 'body') end
        ) end as characters,
        case
            when events.type = 'm.sticker' then 'image'
            when events.type = 'm.room.encrypted' then 'encrypted'
            when content ->> 'msgtype' is null then 'other'
            else substr(content ->> 'msgtype', 3)
        end as kind
    from events
    cross join lateral (
        select case
            when event_id = '$message-1' then '{"msgtype": "m.text"}'
            else json::jsonb -> 'content'
        end as content
        from event_json
        where event_json.event_id = events.event_id
    ) as decoded
    left join edit on events.event_id = edit.id
    left join deletion on events.event_id = deletion.id
    where
        events.type in ('m.room.message', 'm.room.encrypted', 'm.sticker')
        and events.state_key is null
        and not events.outlier
        and events.rejection_reason is null
        and events.event_id not in (select event_id from event_relations where relation_type = 'm.replace')
),

reaction as (
    select
        events.origin_server_ts,
        message.origin_server_ts as message_ts
    from event_relations
    inner join events using (event_id)
    left join message on relates_to_id = message.event_id
    where relation_type = 'm.annotation' and events.event_id <> '$reaction-again'
)

select 'users' as what, 4 + count(distinct user_id) as number from room_memberships where user_id like '%:there'
union all
select 'bots', 2
union all
select 'conversations channel', 1
union all
select 'conversations group', 1
union all
select 'conversations direct', 1
union all
select 'titles', 1
union all
select 'members', case when exists (select from events where event_id = '$ban') then 6 else 8 end
union all
select 'former members', case when exists (select from events where event_id = '$ban') then 2 else 0 end
union all
select 'joined', 8 * 1770000060000
union all
select 'left', sum(origin_server_ts) from events where event_id in ('$left', '$ban')
union all
select 'marks', 3
union all
select 'read through', sum(origin_server_ts)
from events
where
    event_id in ('$message-90')
    or event_id = case
        when exists (select from events where event_id = '$left') then '$message-120' else '$message-30'
    end
union all
select 'marked', 1770006000000 + 1770002000000
    + case when exists (select from events where event_id = '$left') then 1770009000000 else 0 end
union all
select 'messages ' || kind, count(*) from message group by kind
union all
select 'senders', count(distinct sender) from message
union all
select 'characters', sum(characters) from message
union all
select 'sent', sum(origin_server_ts) from message
union all
select 'edited', sum(edited_ts) from message
union all
select 'deleted', sum(deleted_ts) from message
union all
select 'reactions', count(*) from reaction
union all
select 'reacted', sum(origin_server_ts) from reaction
union all
select 'reacted to', sum(message_ts) from reaction
union all
select 'events ' || case when type = 'm.room.member' then 'member.' || membership else type end, count(*)
from events
left join room_memberships using (event_id)
where
    rejection_reason is null and not outlier
    and type not in ('m.room.message', 'm.room.encrypted', 'm.sticker', 'm.reaction')
group by 1
union all
select 'events visit', count(distinct (user_id, device_id)) from user_daily_visits
