-- The type of each column that a SELECT returns; no row is read.
-- grain: one row
select table_types
from (values (1)) as one (number)
left join mapped on false
