-- Rebuilds the UTC days $days of core.read_quarter_hours from temp.keyed_read_receipts.
delete from core.read_quarter_hours
where cast(quarter_at as date) in (select unnest(cast($days as date[])));

insert into core.read_quarter_hours by name
select
    case when facts.read_at >= changes.changed_at then changes.changed_at else facts.began_at end as quarter_at,
    conversations.conversation_type,
    coalesce(users.is_bot, false) as is_bot,
    count(*) as read_count
from (
    select
        read_at,
        time_bucket(interval 15 minutes, read_at) as began_at,
        conversation_key,
        user_key
    from temp.keyed_read_receipts
    where cast(read_at as date) in (select unnest(cast($days as date[])))
) as facts
left join core.clock_changes as changes on facts.began_at = changes.began_at
left join core.dim_conversations as conversations on facts.conversation_key = conversations.conversation_key
left join core.dim_users as users on facts.user_key = users.user_key
group by all
order by all;
