-- The type of each column that a SELECT returns; the join that never matches reads no row.
-- grain: one row
select mapped.table_types
from (values (1)) as one (number)
left join mapped on false  -- noqa: ST11
