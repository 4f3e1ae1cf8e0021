-- Puts the keyed read receipts of the days $days into the warehouse.
-- grain: one row per message and user
insert into core.read_receipts by name
select *
from temp.keyed_read_receipts
where cast(read_at as date) in (select unnest(cast($days as date[])))
order by read_at;
