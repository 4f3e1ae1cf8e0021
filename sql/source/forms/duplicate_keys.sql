-- The keys that several rows of a table have; asked only when some were read.
-- grain: one row per such key
select fact_id
from mapped
group by fact_id
having count(*) > 1
