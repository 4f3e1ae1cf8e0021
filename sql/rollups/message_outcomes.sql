-- Rebuilds the UTC days $days of core.message_outcomes from core.fact_messages and core.fact_read_receipts.
-- An outcome of a day depends on the messages of the day before and after, and on the reads of the day after.
delete from core.message_outcomes
where cast(created_at as date) in (select unnest(cast($days as date[])));

insert into core.message_outcomes by name
with days as (
    select unnest(cast($days as date[])) as day
),

shifts as (
    select unnest([-1, 0, 1]) as shift
),

around as (
    select distinct days.day + shifts.shift as day
    from days
    cross join shifts
),

bots as (
    select user_key
    from core.dim_users
    where is_bot
),

people as (
    select
        messages.conversation_key,
        messages.created_at,
        messages.sender_key
    from core.fact_messages as messages
    semi join around on cast(messages.created_at as date) = around.day
    anti join bots on messages.sender_key = bots.user_key
    where
        messages.deleted_at is null
        and messages.message_type is distinct from 'system'
        and messages.sender_key is not null
        and messages.conversation_key is not null
    group by all
),

-- who wrote at an instant: one person, or null for several
instants as (
    select
        conversation_key,
        created_at,
        case when count(*) = 1 then any_value(sender_key) end as only_sender_key
    from people
    group by conversation_key, created_at
),

changes as (
    select
        *,
        coalesce(only_sender_key <> lag(only_sender_key) over in_conversation, true) as is_change
    from instants
    window in_conversation as (partition by conversation_key order by created_at)
),

ended as (
    select
        *,
        -- the first later instant at which somebody else than this instant's only sender wrote
        min(case when is_change then created_at end) over (
            partition by conversation_key order by created_at rows between 1 following and unbounded following
        ) as changed_at
    from changes
),

linked as (
    select
        conversation_key,
        created_at,
        lag(created_at) over in_conversation as before_at,
        lag(only_sender_key) over in_conversation as before_key,
        lead(created_at) over in_conversation as after_at,
        lead(only_sender_key) over in_conversation as after_key,
        lead(changed_at) over in_conversation as after_changed_at
    from ended
    window in_conversation as (partition by conversation_key order by created_at)
),

reads as (
    select
        people.conversation_key,
        people.created_at,
        people.sender_key,
        min(receipts.read_at) as read_at
    from people
    inner join core.fact_read_receipts as receipts
        on
            people.conversation_key = receipts.conversation_key
            and people.created_at = receipts.message_created_at
            and people.sender_key <> receipts.user_key
    anti join bots on receipts.user_key = bots.user_key
    where
        receipts.read_at >= people.created_at
        and receipts.read_at < people.created_at + interval 24 hours
        and cast(people.created_at as date) in (select unnest(cast($days as date[])))
    group by people.conversation_key, people.created_at, people.sender_key
),

outcomes as (
    select
        people.created_at,
        people.conversation_key,
        people.sender_key,
        case
            when coalesce(linked.before_key <> people.sender_key, true) then people.created_at - linked.before_at
        end as reply_pause,
        case
            when coalesce(linked.after_key <> people.sender_key, true) then linked.after_at
            else linked.after_changed_at
        end - people.created_at as answer_pause,
        reads.read_at - people.created_at as read_pause
    from people
    inner join linked
        on people.conversation_key = linked.conversation_key and people.created_at = linked.created_at
    left join reads
        on
            people.conversation_key = reads.conversation_key
            and people.created_at = reads.created_at
            and people.sender_key = reads.sender_key
    where cast(people.created_at as date) in (select unnest(cast($days as date[])))
)

select
    outcomes.created_at,
    outcomes.conversation_key,
    outcomes.sender_key,
    conversations.conversation_type,
    case
        when outcomes.reply_pause < interval 24 hours then epoch_us(outcomes.reply_pause) // 1000000
    end as reply_seconds,
    case
        when outcomes.answer_pause < interval 24 hours then epoch_us(outcomes.answer_pause) // 1000000
    end as answer_seconds,
    epoch_us(outcomes.read_pause) // 1000000 as read_seconds
from outcomes
left join core.dim_conversations as conversations on outcomes.conversation_key = conversations.conversation_key
order by outcomes.created_at, outcomes.conversation_key, outcomes.sender_key;
