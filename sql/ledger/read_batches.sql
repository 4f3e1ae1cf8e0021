-- The batches as recorded, in order.
select *
from core.batches
order by batch;
