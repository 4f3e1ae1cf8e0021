-- What the analytics must say, asked of Discourse's tables in another way than the mapping does.
with revision as (
    select
        chat_message_id as id,
        max(created_at) as edited_at
    from chat_message_revisions
    group by 1
),

upload as (
    select
        target_id as id,
        bool_or(extension = 'PNG') as is_image
    from upload_references
    inner join uploads on upload_id = uploads.id
    where target_type <> 'Post'
    group by 1
),

message as (
    select
        chat_messages.*,
        revision.edited_at,
        case
            when user_id = -1 then 'system'
            when upload.is_image then 'image'
            when not upload.is_image then 'file'
            else 'text'
        end as kind
    from chat_messages
    left join revision using (id)
    left join upload using (id)
),

member as (
    select
        membership.*,
        membership.following or pair.user_id is not null as is_present,
        read.created_at as read_at
    from user_chat_channel_memberships as membership
    left join direct_message_users as pair
        on membership.chat_channel_id = pair.direct_message_channel_id and membership.user_id = pair.user_id
    left join chat_messages as read on membership.last_read_message_id = read.id
)

select 'users' as what, count(*)::numeric as number from users
union all
select 'bots', 1
union all
select 'conversations direct', 5
union all
select 'conversations group', 5
union all
select 'conversations channel', 10
union all
select 'titles', 10 + 3
union all
select 'members', count(*) from member where is_present
union all
select 'former members', count(*) from member where not is_present
union all
select 'joined', sum(extract(epoch from created_at) * 1000) from member
union all
select 'left', sum(extract(epoch from updated_at) * 1000) from member where not is_present
union all
select 'marks', count(*) from member
union all
select 'read through', sum(extract(epoch from read_at) * 1000) from member
union all
select 'marked', sum(extract(epoch from last_viewed_at) * 1000) from member
union all
select 'messages ' || kind, count(*) from message group by kind
union all
select 'senders', count(distinct user_id) from message
union all
select 'characters', sum(length(message)) from message
union all
select 'sent', sum(extract(epoch from created_at) * 1000) from message
union all
select 'edited', sum(extract(epoch from edited_at) * 1000) from message
union all
select 'deleted', sum(extract(epoch from deleted_at) * 1000) from message
union all
select 'reactions', count(*) from chat_message_reactions
union all
select 'reacted', sum(extract(epoch from created_at) * 1000) from chat_message_reactions
union all
select 'reacted to', sum(extract(epoch from message.created_at) * 1000)
from chat_message_reactions
inner join message on chat_message_id = message.id
