-- The table states as recorded, in order.
select *
from core.table_states
order by table_name;
