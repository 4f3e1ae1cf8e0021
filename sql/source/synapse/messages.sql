-- messages: what people wrote, encrypted or not. Edits and deletions are events of their own: the newest edit
-- by the message's author, and of its type, gives its length, and a valid redaction its deletion.
-- grain: one row per message, deleted ones too
-- PostgreSQL cannot decode \u0000, so it is replaced; an escaped backslash is written as \u005c before, because
-- what follows it is no escape.
select
    row_version,
    place,
    message_id,
    conversation_id,
    sender_id,
    case
        when event_type = 'm.sticker' then 'image'
        when event_type = 'm.room.encrypted' then 'encrypted'
        else
            case decoded ->> 'msgtype'
                when 'm.text' then 'text'
                when 'm.emote' then 'text'
                when 'm.location' then 'text'
                when 'm.image' then 'image'
                when 'm.file' then 'file'
                when 'm.audio' then 'file'
                when 'm.video' then 'file'
                when 'm.notice' then 'system'
                when 'm.server_notice' then 'system'
                else 'other'
            end
    end as message_type,
    case when deleted_at is null then char_length(coalesce(edited_body, decoded ->> 'body')) end as content_length,
    created_at,
    edited_at,
    deleted_at
from (
    select
        event.xmin as row_version,
        event.ctid as place,
        event.event_id as message_id,
        event.room_id as conversation_id,
        event.sender as sender_id,
        event.type as event_type,
        (
            select replace(replace(original.json, '\\', '\u005c'), '\u0000', '\ufffd')::jsonb -> 'content' as decoded
            from event_json as original
            where original.event_id = event.event_id
        ) as decoded,
        (
            select
                replace(replace(edited.json, '\\', '\u005c'), '\u0000', '\ufffd')::jsonb
                #>> '{content,m.new_content,body}' as body
            from event_relations as relation
            inner join events as edit on relation.event_id = edit.event_id
            inner join event_json as edited on relation.event_id = edited.event_id
            where
                relation.relates_to_id = event.event_id
                and relation.relation_type = 'm.replace'
                and edit.type = event.type
                and edit.sender = event.sender
                and edit.room_id = event.room_id
                and edit.rejection_reason is null
                and not exists (
                    select 1 from redactions
                    where redactions.redacts = edit.event_id
                )
            order by edit.origin_server_ts desc, edit.event_id desc
            limit 1
        ) as edited_body,
        timestamptz 'epoch'
        + least(greatest(event.origin_server_ts, 0), 253402300799000) * interval '1 millisecond' as created_at,
        timestamptz 'epoch' + (
            select least(greatest(max(edit.origin_server_ts), 0), 253402300799000) as edited_ts
            from event_relations as relation
            inner join events as edit on relation.event_id = edit.event_id
            where
                relation.relates_to_id = event.event_id
                and relation.relation_type = 'm.replace'
                and edit.type = event.type
                and edit.sender = event.sender
                and edit.room_id = event.room_id
                and edit.rejection_reason is null
                and not exists (
                    select 1 from redactions
                    where redactions.redacts = edit.event_id
                )
            having count(*) > 0
        ) * interval '1 millisecond' as edited_at,
        -- recheck: the message was unknown when its redaction came, so that only the sender's own server may delete it.
        timestamptz 'epoch' + (
            select least(greatest(deletion.origin_server_ts, 0), 253402300799000) as deleted_ts
            from redactions
            inner join events as deletion on redactions.event_id = deletion.event_id
            where
                redactions.redacts = event.event_id
                and deletion.room_id = event.room_id
                and deletion.rejection_reason is null
                and (
                    not redactions.recheck
                    or substring(deletion.sender from ':.*') = substring(event.sender from ':.*')
                )
            order by deletion.stream_ordering
            limit 1
        ) * interval '1 millisecond' as deleted_at
    from events as event
    where
        event.type in ('m.room.message', 'm.room.encrypted', 'm.sticker')
        and event.state_key is null
        and not event.outlier
        and event.rejection_reason is null
        and not exists (
            select 1
            from event_relations as relation
            where relation.event_id = event.event_id and relation.relation_type = 'm.replace'
        )
) as message
