-- messages: posts. An edit updates the post, and inserts its old version with originalid, which is no message.
-- grain: one row per post, deleted ones too
-- Files that were removed count too: the deletion of a post removes its files, and must not change its type.
select
    posts.xmin as row_version,
    posts.ctid as place,
    posts.id as message_id,
    posts.channelid as conversation_id,
    posts.userid as sender_id,
    case
        when starts_with(posts.type, 'system_') then 'system'
        when
            exists (
                select 1 from fileinfo
                where fileinfo.postid = posts.id and starts_with(fileinfo.mimetype, 'image/')
            )
            then 'image'
        when exists (
            select 1 from fileinfo
            where fileinfo.postid = posts.id
        ) then 'file'
        else 'text'
    end as message_type,
    char_length(posts.message) as content_length,
    timestamptz 'epoch'
    + least(greatest(posts.createat, 0), 253402300799000) * interval '1 millisecond' as created_at,
    case
        when posts.editat > 0
            then timestamptz 'epoch' + least(posts.editat, 253402300799000) * interval '1 millisecond'
    end as edited_at,
    case
        when posts.deleteat > 0
            then timestamptz 'epoch' + least(posts.deleteat, 253402300799000) * interval '1 millisecond'
    end as deleted_at
from posts
where coalesce(posts.originalid, '') = ''
