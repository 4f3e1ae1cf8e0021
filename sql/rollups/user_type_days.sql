-- Rebuilds the UTC days $days of core.user_type_days from temp.keyed_messages and temp.keyed_read_receipts.
delete from core.user_type_days
where day in (select unnest(cast($days as date[])));

insert into core.user_type_days by name
with activity as (
    select
        sender_key as user_key,
        conversation_key,
        created_at as active_at
    from temp.keyed_messages
    where
        cast(created_at as date) in (select unnest(cast($days as date[])))
        and deleted_at is null
        and message_type is distinct from 'system'
        and sender_key is not null
    union all
    select
        user_key,
        conversation_key,
        read_at as active_at
    from temp.keyed_read_receipts
    where cast(read_at as date) in (select unnest(cast($days as date[]))) and user_key is not null
),

placed as (
    select
        cast(activity.active_at as date) as day,
        activity.user_key,
        conversations.conversation_type,
        hour(activity.active_at) < 12 as is_low,
        cast(1 as ubigint)
        << ((hour(activity.active_at) % 12) * 4 + minute(activity.active_at) // 15) as quarter_bit
    from activity
    left join core.dim_conversations as conversations on activity.conversation_key = conversations.conversation_key
)

select
    day,
    user_key,
    conversation_type,
    coalesce(bit_or(quarter_bit) filter (where is_low), 0) as quarter_hours_low,
    coalesce(bit_or(quarter_bit) filter (where not is_low), 0) as quarter_hours_high
from placed
group by day, user_key, conversation_type
-- Similar masks together take half the bytes.
order by day, quarter_hours_low, quarter_hours_high, user_key, conversation_type;
