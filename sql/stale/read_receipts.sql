-- Finds the reads and outcomes that are stale because receipts of [$since, $until) change: core.fact_read_receipts
-- has them as they were, temp.keyed_read_receipts as they are now. They decide outcomes on the day of their message.
create or replace temporary table temp.compared_reads as
with compared as (
    select
        *,
        1 as sign
    from temp.keyed_read_receipts
    where read_at >= $since and read_at < $until
    union all by name
    select
        *,
        -1 as sign
    from core.fact_read_receipts
    where read_at >= $since and read_at < $until
)

select
    cast(read_at as date) as day,
    conversation_key,
    user_key
from compared
group by day, conversation_key, user_key
having sum(sign * cast(hash(read_at, message_created_at) as hugeint)) <> 0;

insert into temp.stale_reads by name
select *
from temp.compared_reads;

insert into temp.changed_days by name
select distinct
    'read_receipts' as fact,
    day
from temp.compared_reads;

insert into temp.stale_outcomes by name
with compared as (
    select
        *,
        1 as sign
    from temp.keyed_read_receipts
    where read_at >= $since and read_at < $until
    union all by name
    select
        *,
        -1 as sign
    from core.fact_read_receipts
    where read_at >= $since and read_at < $until
)

select
    conversation_key,
    cast(message_created_at as date) as day
from compared
-- a later receipt decides no outcome
where
    conversation_key is not null
    and read_at >= message_created_at
    and read_at < message_created_at + interval 24 hours
group by conversation_key, day
having sum(sign * cast(hash(message_created_at, read_at, user_key) as hugeint)) <> 0;
