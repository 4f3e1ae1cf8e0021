-- Rebuilds the UTC days $days of core.message_quarter_hours from temp.keyed_messages.
delete from core.message_quarter_hours
where cast(quarter_at as date) in (select unnest(cast($days as date[])));

insert into core.message_quarter_hours by name
select
    case when facts.created_at >= changes.changed_at then changes.changed_at else facts.began_at end as quarter_at,
    conversations.conversation_type,
    facts.is_system,
    coalesce(users.is_bot, false) as is_bot,
    count(*) as message_count
from (
    select
        created_at,
        time_bucket(interval 15 minutes, created_at) as began_at,
        conversation_key,
        sender_key,
        coalesce(message_type = 'system', false) as is_system
    from temp.keyed_messages
    where cast(created_at as date) in (select unnest(cast($days as date[]))) and deleted_at is null
) as facts
left join core.clock_changes as changes on facts.began_at = changes.began_at
left join core.dim_conversations as conversations on facts.conversation_key = conversations.conversation_key
left join core.dim_users as users on facts.sender_key = users.user_key
group by all
order by all;
