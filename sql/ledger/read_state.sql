-- The state as recorded, in order.
select *
from core.state;
