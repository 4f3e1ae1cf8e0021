-- Inserts the keyed rows of the UTC days $days into the warehouse.
-- grain: as the fact's
insert into core.fact by name
select *
from temp.keyed_fact
where cast(event_time as date) in (select unnest(cast($days as date[])))
order by event_time;
