-- Puts the keyed events of the days $days into the warehouse.
-- grain: one row per event
insert into core.events by name
select *
from temp.keyed_events
where cast(created_at as date) in (select unnest(cast($days as date[])))
order by created_at;
