-- The type of each column that a SELECT returns; the join that never matches reads no row.
-- grain: one row
select mapped.table_types
from (values (1)) as one (number)  -- noqa: ST11
left join mapped on false
