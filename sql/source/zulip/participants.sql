-- participants: subscribers of channels, former ones too, and everybody in a direct conversation.
-- grain: one row per conversation and user
-- The audit log has 301 and 302 for a subscription, and 303 for its end. Who is not subscribed always has a
-- left_at, be it the time of their account, because a null would make them a member.
with direct as (
    select
        message.sender_id,
        recipient.type_id as receiver_id
    from zerver_recipient as recipient
    inner join zerver_message as message on recipient.id = message.recipient_id
    where recipient.type = 1
    union  -- noqa: AM02
    select
        message.sender_id,
        recipient.type_id as receiver_id
    from zerver_recipient as recipient
    inner join zerver_archivedmessage as message on recipient.id = message.recipient_id
    where recipient.type = 1
),

subscriptions as (
    select
        recipient.id::text as conversation_id,
        subscription.user_profile_id as user_id,
        subscription.active,
        (
            select max(log.event_time)
            from zerver_realmauditlog as log
            where
                recipient.type = 2
                and log.modified_user_id = subscription.user_profile_id
                and log.modified_stream_id = recipient.type_id
                and log.event_type in (301, 302)
        ) as joined_at,
        (
            select max(log.event_time)
            from zerver_realmauditlog as log
            where
                recipient.type = 2
                and log.modified_user_id = subscription.user_profile_id
                and log.modified_stream_id = recipient.type_id
                and log.event_type = 303
        ) as left_at
    from zerver_subscription as subscription
    inner join zerver_recipient as recipient on subscription.recipient_id = recipient.id
    where recipient.type in (2, 3)
)

select
    subscriptions.conversation_id,
    subscriptions.user_id,
    'member' as role,
    subscriptions.joined_at,
    case
        when not subscriptions.active
            then coalesce(subscriptions.left_at, subscriptions.joined_at, person.date_joined)
    end as left_at
from subscriptions
inner join zerver_userprofile as person on subscriptions.user_id = person.id
union all
select distinct
    'dm:' || least(direct.sender_id, direct.receiver_id)
    || '-' || greatest(direct.sender_id, direct.receiver_id) as conversation_id,
    member.user_id,
    'member' as role,
    null::timestamptz as joined_at,
    null::timestamptz as left_at
from direct
cross join lateral (values (direct.sender_id), (direct.receiver_id)) as member (user_id)
