-- Makes every outcome of the UTC days $days stale: those there are, and those that the messages have.
insert into temp.stale_outcomes by name
select distinct
    conversation_key,
    cast(created_at as date) as day
from core.fact_messages
where conversation_key is not null and cast(created_at as date) in (select unnest(cast($days as date[])))
union
select distinct
    conversation_key,
    cast(created_at as date) as day
from core.message_outcomes
where cast(created_at as date) in (select unnest(cast($days as date[])));
