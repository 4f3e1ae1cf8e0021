-- Rebuilds the UTC days $days of core.user_days from temp.keyed_messages and temp.keyed_read_receipts.
delete from core.user_days
where day in (select unnest(cast($days as date[])));

insert into core.user_days by name
with activity as (
    select
        sender_key as user_key,
        created_at as active_at,
        true as is_sent
    from temp.keyed_messages
    where
        cast(created_at as date) in (select unnest(cast($days as date[])))
        and deleted_at is null
        and message_type is distinct from 'system'
        and sender_key is not null
    union all
    select
        user_key,
        read_at as active_at,
        false as is_sent
    from temp.keyed_read_receipts
    where cast(read_at as date) in (select unnest(cast($days as date[]))) and user_key is not null
),

placed as (
    select
        cast(active_at as date) as day,
        user_key,
        is_sent,
        hour(active_at) < 12 as is_low,
        cast(1 as ubigint) << ((hour(active_at) % 12) * 4 + minute(active_at) // 15) as quarter_bit
    from activity
)

select
    day,
    user_key,
    count(*) filter (where is_sent) as sent_count,
    count(*) filter (where not is_sent) as read_count,
    coalesce(bit_or(quarter_bit) filter (where is_sent and is_low), 0) as sent_quarter_hours_low,
    coalesce(bit_or(quarter_bit) filter (where is_sent and not is_low), 0) as sent_quarter_hours_high,
    coalesce(bit_or(quarter_bit) filter (where not is_sent and is_low), 0) as read_quarter_hours_low,
    coalesce(bit_or(quarter_bit) filter (where not is_sent and not is_low), 0) as read_quarter_hours_high
from placed
group by day, user_key
-- Similar masks together take half the bytes.
order by
    day,
    sent_quarter_hours_low,
    sent_quarter_hours_high,
    read_quarter_hours_low,
    read_quarter_hours_high,
    user_key;
