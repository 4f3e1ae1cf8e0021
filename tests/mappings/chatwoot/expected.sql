-- What the analytics must say, asked of Chatwoot's tables in another way than the mapping does.
with message as (
    select
        messages.*,
        messages.content = 'This message was deleted' as is_deleted,
        case
            when messages.message_type > 1 then 'system'
            when 0 = any(files.types) then 'image'
            when files.types && array[1, 2, 3] then 'file'
            else 'text'
        end as kind
    from messages
    left join (
        select
            message_id as id,
            array_agg(file_type) as types
        from attachments
        group by message_id
    ) as files using (id)
),

member as (
    select
        id,
        unnest(array['c' || contact_id, 'u' || assignee_id]) as person,
        unnest(array[contact_last_seen_at, assignee_last_seen_at]) as seen_at
    from conversations
),

agent as (
    select
        conversation_id,
        'u' || user_id as person
    from conversation_participants
)

select 'users' as what, 2 + (select count(*) from users) + (select count(*) from contacts) as number
union all
select 'bots', 2
union all
select 'conversations direct', count(*) from conversations
union all
select 'titles', count(*) from conversations
union all
select 'members', count(*) from (select id, person from member union select * from agent) as either
union all
select 'marks', count(*) from member
union all
select 'read through', sum(extract(epoch from seen_at) * 1000) from member
union all
select 'marked', sum(extract(epoch from seen_at) * 1000) from member
union all
select 'messages ' || kind, count(*) from message group by kind
union all
select 'senders', count(distinct (sender_type, sender_id)) filter (where sender_id is not null) from message
union all
select 'characters', sum(length(content)) from message where not is_deleted
union all
select 'sent', sum(extract(epoch from created_at) * 1000) from message
union all
select 'deleted', sum(extract(epoch from updated_at) * 1000) from message where is_deleted
union all
select 'joined', sum(extract(epoch from coalesce(added.created_at, began.created_at)) * 1000)
from (select id, person from member union select * from agent) as either
inner join conversations as began using (id)
left join conversation_participants as added
    on either.id = added.conversation_id and either.person = 'u' || added.user_id
    and added.user_id is distinct from began.assignee_id
union all
select 'events ' || name, count(*) from reporting_events group by name
