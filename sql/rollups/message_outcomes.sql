-- Rebuilds the outcomes of the conversations that temp.stale_outcomes names in [$since, $until), whole UTC days,
-- from core.fact_messages and core.fact_read_receipts. They depend on the messages of the day before and after,
-- and on the reads of the day after.
delete from core.message_outcomes
where
    created_at >= $since
    and created_at < $until
    and conversation_key in (
        select stale.conversation_key
        from temp.stale_outcomes as stale
        where stale.day >= $since and stale.day < $until
    );

insert into core.message_outcomes by name
with stale as (
    select distinct conversation_key
    from temp.stale_outcomes
    where day >= $since and day < $until
),

bots as (
    select user_key
    from core.dim_users
    where is_bot
),

counted as (
    select
        conversation_key,
        created_at,
        sender_key
    from core.fact_messages
    where
        created_at >= cast($since as timestamp) - interval 1 day
        and created_at < cast($until as timestamp) + interval 1 day
        and deleted_at is null
        and message_type is distinct from 'system'
        and sender_key is not null
),

written as (
    select counted.*
    from counted
    semi join stale on counted.conversation_key = stale.conversation_key
    anti join bots on counted.sender_key = bots.user_key
),

receipts as (
    select
        conversation_key,
        message_created_at,
        user_key,
        read_at
    from core.fact_read_receipts
    where
        read_at >= $since
        and read_at < cast($until as timestamp) + interval 1 day
        and read_at >= message_created_at
        and read_at < message_created_at + interval 24 hours
),

-- who wrote at an instant: one person, or null for several
instants as (
    select
        conversation_key,
        created_at,
        case when min(sender_key) = max(sender_key) then min(sender_key) end as only_key
    from written
    group by conversation_key, created_at
),

neighbours as (
    select
        *,
        lag(created_at) over in_conversation as before_at,
        lag(only_key) over in_conversation as before_key,
        lead(created_at) over in_conversation as after_at,
        lead(only_key) over in_conversation as after_key,
        coalesce(only_key <> lag(only_key) over in_conversation, true) as is_change
    from instants
    window in_conversation as (partition by conversation_key order by created_at)
),

linked as (
    select
        *,
        -- where one person wrote at the next instant: the first one after it at which somebody else did
        first_value(case when is_change then created_at end ignore nulls) over (
            partition by conversation_key order by created_at rows between 2 following and unbounded following
        ) as changed_at
    from neighbours
),

inside as (
    select *
    from linked
    where created_at >= $since and created_at < $until
),

senders as (
    select
        *,
        only_key as sender_key
    from inside
    where only_key is not null
    union all by name
    select distinct
        inside.*,
        written.sender_key
    from inside
    inner join written
        on inside.conversation_key = written.conversation_key and inside.created_at = written.created_at
    where inside.only_key is null
),

pauses as (
    select
        conversation_key,
        created_at,
        sender_key,
        case when coalesce(before_key <> sender_key, true) then created_at - before_at end as reply_pause,
        case when coalesce(after_key <> sender_key, true) then after_at else changed_at end
        - created_at as answer_pause
    from senders
),

reads as (
    select
        pauses.conversation_key,
        pauses.created_at,
        pauses.sender_key,
        min(receipts.read_at) as read_at
    from pauses
    inner join receipts
        on
            pauses.conversation_key = receipts.conversation_key
            and pauses.created_at = receipts.message_created_at
            and pauses.sender_key <> receipts.user_key
    anti join bots on receipts.user_key = bots.user_key
    group by pauses.conversation_key, pauses.created_at, pauses.sender_key
),

outcomes as (
    select
        pauses.created_at,
        pauses.conversation_key,
        pauses.sender_key,
        conversations.conversation_type,
        case
            when pauses.reply_pause < interval 24 hours then epoch_us(pauses.reply_pause) // 1000000
        end as reply_seconds,
        case
            when pauses.answer_pause < interval 24 hours then epoch_us(pauses.answer_pause) // 1000000
        end as answer_seconds,
        epoch_us(reads.read_at - pauses.created_at) // 1000000 as read_seconds
    from pauses
    left join reads
        on
            pauses.conversation_key = reads.conversation_key
            and pauses.created_at = reads.created_at
            and pauses.sender_key = reads.sender_key
    left join core.dim_conversations as conversations on pauses.conversation_key = conversations.conversation_key
)

-- Pauses of a similar length together take half the bytes.
select *
from outcomes
order by
    cast(created_at as date),
    reply_seconds is null,
    greatest(reply_seconds, answer_seconds, read_seconds) >= 512,
    created_at,
    conversation_key,
    sender_key;
