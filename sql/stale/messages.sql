-- Finds what is stale because messages of [$since, $until) change: core.fact_messages has them as they were,
-- temp.keyed_messages as they are now. They decide outcomes of their conversation from the day before to the day
-- after, and which reads of any later day are of one's own messages. An edit decides neither.
create or replace temporary table temp.compared_messages as
with compared as (
    select
        *,
        1 as sign
    from temp.keyed_messages
    where created_at >= $since and created_at < $until
    union all by name
    select
        *,
        -1 as sign
    from core.fact_messages
    where created_at >= $since and created_at < $until
),

summed as (
    select
        conversation_key,
        cast(created_at as date) as day,
        sum(sign * cast(hash(created_at, sender_key) as hugeint)) as senders,
        sum(sign * cast(hash(created_at, sender_key, coalesce(message_type = 'system', false)) as hugeint)) filter (
            where deleted_at is null
        ) as shown,
        sum(sign * cast(hash(created_at, sender_key) as hugeint)) filter (
            where deleted_at is null and message_type is distinct from 'system'
        ) as written
    from compared
    group by conversation_key, day
)

select
    conversation_key,
    day,
    senders <> 0 as has_other_senders,
    coalesce(shown <> 0, false) as has_others_shown,
    coalesce(written <> 0, false) as has_other_outcomes
from summed;

insert into temp.changed_days by name
select distinct
    'messages' as fact,
    day
from temp.compared_messages
where has_others_shown;

insert into temp.changed_senders by name
with compared as (
    select
        conversation_key,
        sender_key,
        created_at,
        true as is_new
    from temp.keyed_messages
    where created_at >= $since and created_at < $until
    union all by name
    select
        conversation_key,
        sender_key,
        created_at,
        false as is_new
    from core.fact_messages
    where created_at >= $since and created_at < $until
),

changed as (
    select
        conversation_key,
        day
    from temp.compared_messages
    where has_other_senders
)

select
    compared.conversation_key,
    compared.sender_key,
    compared.created_at
from compared
semi join changed
    on compared.conversation_key = changed.conversation_key and cast(compared.created_at as date) = changed.day
where compared.sender_key is not null
group by compared.conversation_key, compared.sender_key, compared.created_at
having bool_or(compared.is_new) <> bool_or(not compared.is_new);

insert into temp.stale_outcomes by name
with shifts as (
    select unnest([-1, 0, 1]) as shift
)

select
    changed.conversation_key,
    changed.day + shifts.shift as day
from temp.compared_messages as changed
cross join shifts
where changed.has_other_outcomes and changed.conversation_key is not null;
