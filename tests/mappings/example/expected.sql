-- What the analytics must say, asked of the tables in another way than the mapping does.
with message as (
    select
        *,
        case
            when "sentAtMs" > 1e15 then 253402300799000
            when "sentAtMs" < 0 then 0
            else "sentAtMs"
        end as sent
    from app."Message"
),

member as (
    select distinct
        id,
        unnest("memberIds") as person
    from app."Room"
)

select 'users' as what, count(*)::numeric as number from app."User"
union all
select 'bots', 1
union all
select 'deleted users', count("deletedAt") from app."User"
union all
select 'conversations direct', 15
union all
select 'conversations group', 15
union all
select 'titles', 15
union all
select 'members', count(*) from member
union all
select 'joined', count(*) * 1767312000000 from member
union all
select 'marks', count(*) from app."Room"
union all
select 'read through', sum(mark.ms::numeric) from app."Room", jsonb_each_text("lastReadAt") as mark (person, ms)
union all
select 'marked', sum(mark.ms::numeric) from app."Room", jsonb_each_text("lastReadAt") as mark (person, ms)
union all
select 'messages text', count(*) from message where kind = 'TEXT'
union all
select 'messages image', count(*) from message where kind = 'IMAGE'
union all
select 'messages file', count(*) from message where kind = 'FILE'
union all
select 'messages system', count(*) from message where kind = 'SYSTEM'
union all
select 'senders', count(distinct "authorId") from message
union all
select 'characters', sum(length(body)) from message
union all
select 'sent', sum(sent) from message
union all
select 'edited', sum("editedAtMs") from message
union all
select 'deleted', sum(extract(epoch from "updatedAt") * 1000) from message where "isDeleted"
union all
select 'reactions', count(*) from app."Reaction"
union all
select 'reacted', sum(extract(epoch from "createdAt") * 1000) from app."Reaction"
union all
select 'reacted to', sum(sent) from app."Reaction" inner join message on "messageId" = id
