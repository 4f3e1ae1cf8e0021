-- Puts the keyed messages of the days $days into the warehouse.
-- grain: one row per message
insert into core.messages by name
select *
from temp.keyed_messages
where cast(created_at as date) in (select unnest(cast($days as date[])))
order by created_at;
