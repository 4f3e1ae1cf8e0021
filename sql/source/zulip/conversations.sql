-- conversations: channels (recipient type 2), direct messages of a group (3), and of one or two (1), each of
-- whom is the recipient of the other.
-- grain: one row per conversation
with direct as (
    select
        message.sender_id,
        recipient.type_id as receiver_id,
        message.date_sent
    from zerver_recipient as recipient
    inner join zerver_message as message on recipient.id = message.recipient_id
    where recipient.type = 1
    union all
    select
        message.sender_id,
        recipient.type_id as receiver_id,
        message.date_sent
    from zerver_recipient as recipient
    inner join zerver_archivedmessage as message on recipient.id = message.recipient_id
    where recipient.type = 1
)

select
    recipient.id::text as conversation_id,
    case when stream.invite_only then 'group' else 'channel' end as conversation_type,
    stream.name as title,
    stream.date_created as created_at
from zerver_recipient as recipient
inner join zerver_stream as stream on recipient.type_id = stream.id
where recipient.type = 2
union all
select
    recipient.id::text as conversation_id,
    case
        when
            (
                select count(*) as members
                from zerver_subscription as subscription
                where subscription.recipient_id = recipient.id
            ) <= 2
            then 'direct'
        else 'group'
    end as conversation_type,
    null as title,
    least(
        (
            select min(message.date_sent) from zerver_message as message
            where message.recipient_id = recipient.id
        ),
        (
            select min(gone.date_sent) from zerver_archivedmessage as gone
            where gone.recipient_id = recipient.id
        )
    ) as created_at
from zerver_recipient as recipient
where recipient.type = 3
union all
select
    'dm:' || least(sender_id, receiver_id) || '-' || greatest(sender_id, receiver_id) as conversation_id,
    'direct' as conversation_type,
    null as title,
    min(date_sent) as created_at
from direct
group by least(sender_id, receiver_id), greatest(sender_id, receiver_id)
