-- What the analytics must say, asked of Zulip's tables in another way than the mapping does.
with message as (
    select
        coalesce(live.id, gone.id) as id,
        coalesce(live.sender_id, gone.sender_id) as sender_id,
        coalesce(live.recipient_id, gone.recipient_id) as recipient_id,
        coalesce(live.type, gone.type) as type,
        coalesce(live.content, gone.content) as content,
        coalesce(live.date_sent, gone.date_sent) as date_sent,
        coalesce(live.last_edit_time, gone.last_edit_time) as last_edit_time,
        coalesce(live.has_image, gone.has_image) as has_image,
        coalesce(live.has_attachment, gone.has_attachment) as has_attachment,
        case when live.id is null then timestamptz '2026-02-26' end as gone_at
    from zerver_message as live
    full join zerver_archivedmessage as gone on live.id = gone.id
),

direct as (
    select distinct
        array[least(sender_id, type_id), greatest(sender_id, type_id)] as pair
    from message
    inner join zerver_recipient on recipient_id = zerver_recipient.id and zerver_recipient.type = 1
),

member as (
    select
        subscription.active as is_present,
        max(log.event_time) filter (where log.event_type = 301) as joined_at,
        coalesce(
            max(log.event_time) filter (where log.event_type = 303),
            max(log.event_time) filter (where log.event_type = 301),
            '2026-01-01'
        ) as left_at
    from zerver_subscription as subscription
    left join zerver_realmauditlog as log
        on
            subscription.user_profile_id = log.modified_user_id
            and subscription.recipient_id = log.modified_stream_id
    group by subscription.id
)

select 'users' as what, count(*)::numeric as number from zerver_userprofile
union all
select 'bots', 1
union all
select 'deleted users', count(*) from zerver_userprofile where not is_active
union all
select 'conversations channel', count(*) from zerver_stream where not invite_only
union all
select 'conversations group', 4 + (select count(*) from zerver_stream where invite_only)
union all
select 'conversations direct', 1 + (select count(*) from direct)
union all
select 'titles', count(*) from zerver_stream
union all
select 'members',
    (select count(*) from member where is_present)
    + (select sum(case when pair[1] = pair[2] then 1 else 2 end) from direct)
union all
select 'former members', count(*) from member where not is_present
union all
select 'joined', sum(extract(epoch from joined_at) * 1000) from member
union all
select 'left', sum(extract(epoch from left_at) * 1000) from member where not is_present
union all
select
    'messages ' || case
        when type = 2 then 'system' when has_image then 'image' when has_attachment then 'file' else 'text'
    end,
    count(*)
from message
group by 1
union all
select 'senders', count(distinct sender_id) from message
union all
select 'characters', sum(length(content)) from message
union all
select 'sent', sum(extract(epoch from date_sent) * 1000) from message
union all
select 'edited', sum(extract(epoch from last_edit_time) * 1000) from message
union all
select 'deleted', sum(extract(epoch from gone_at) * 1000) from message
union all
select 'events audit.' || event_type, count(*) from zerver_realmauditlog group by event_type
