-- What the analytics must say, asked of Mattermost's tables in another way than the mapping does.
with message as (
    select
        posts.*,
        case
            when posts.type <> '' then 'system'
            when 'image/png' = any(files.mimetypes) then 'image'
            when files.mimetypes is not null then 'file'
            else 'text'
        end as kind
    from posts
    left join (
        select
            postid,
            array_agg(mimetype::text) as mimetypes
        from fileinfo
        group by postid
    ) as files on posts.id = files.postid
    where posts.originalid = ''
),

history as (
    select
        channelid,
        userid,
        max(jointime) as jointime,
        max(leavetime) as leavetime
    from channelmemberhistory
    group by channelid, userid
),

member as (
    select
        channelmembers.channelid is not null as is_present,
        history.jointime,
        history.leavetime
    from channelmembers
    full join history using (channelid, userid)
)

select 'users' as what, count(*) as number from users
union all
select 'bots', count(*) from bots
union all
select 'deleted users', count(*) from users where deleteat <> 0
union all
select 'conversations ' || (array['direct', 'group', 'channel', 'group'])[strpos('DGOP', type::text)], count(*)
from channels
group by 1
union all
select 'titles', count(*) from channels where displayname <> ''
union all
select 'members', count(*) from member where is_present
union all
select 'former members', count(*) from member where not is_present
union all
select 'joined', sum(jointime) from member
union all
select 'left', sum(leavetime) from member where not is_present
union all
select 'marks', count(*) from channelmembers
union all
select 'read through', sum(lastviewedat) from channelmembers
union all
select 'marked', sum(lastviewedat) from channelmembers
union all
select 'messages ' || kind, count(*) from message group by kind
union all
select 'senders', count(distinct userid) from message
union all
select 'characters', sum(length(message)) from message
union all
select 'sent', sum(createat) from message
union all
select 'edited', sum(editat) from message
union all
select 'deleted', sum(deleteat) from message
union all
select 'reactions', count(*) from reactions where deleteat = 0
union all
select 'reacted', sum(createat) from reactions where deleteat = 0
union all
select 'reacted to', sum(posts.createat) from reactions inner join posts on postid = id where reactions.deleteat = 0
