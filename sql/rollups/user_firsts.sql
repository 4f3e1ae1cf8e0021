-- Derives core.user_firsts again as far as the facts of [$since, $until), whole UTC days, decide it: for those who
-- were active there earlier than was known, and for those whose first activity was there and is gone.
create or replace temporary table temp.found_firsts as
with activity as (
    select
        sender_key as user_key,
        created_at as active_at
    from core.fact_messages
    where
        created_at >= $since
        and created_at < $until
        and deleted_at is null
        and message_type is distinct from 'system'
        and sender_key is not null
    union all
    select
        user_key,
        read_at as active_at
    from core.fact_read_receipts
    where read_at >= $since and read_at < $until and user_key is not null
)

select
    user_key,
    min(active_at) as first_at
from activity
group by user_key;

create or replace temporary table temp.earlier_firsts as
select
    found.user_key,
    found.first_at
from temp.found_firsts as found
left join core.user_firsts as known on found.user_key = known.user_key
where known.first_at is null or found.first_at < known.first_at;

create or replace temporary table temp.lost_firsts as
with known as (
    select
        user_key,
        first_at
    from core.user_firsts
    where first_at >= $since and first_at < $until
)

select known.user_key
from known
left join temp.found_firsts as found on known.user_key = found.user_key
where found.first_at is null or found.first_at > known.first_at;

delete from core.user_firsts
where
    user_key in (select earlier.user_key from temp.earlier_firsts as earlier)
    or user_key in (select lost.user_key from temp.lost_firsts as lost);

insert into core.user_firsts by name
select
    user_key,
    first_at
from temp.earlier_firsts
order by user_key;

-- Their next activity may be on any day.
insert into core.user_firsts by name
with activity as (
    select
        messages.sender_key as user_key,
        messages.created_at as active_at
    from core.fact_messages as messages
    semi join temp.lost_firsts as lost on messages.sender_key = lost.user_key
    where messages.deleted_at is null and messages.message_type is distinct from 'system'
    union all
    select
        receipts.user_key,
        receipts.read_at as active_at
    from core.fact_read_receipts as receipts
    semi join temp.lost_firsts as lost on receipts.user_key = lost.user_key
)

select
    user_key,
    min(active_at) as first_at
from activity
group by user_key
order by user_key;
