-- Some rows of a table, wherever they are: for a look at what its SELECT returns.
-- grain: as the table's
-- A SELECT that needs no sort reads no more rows than these.
select
    fact_columns,
    true as is_new
from (
    select mapped.*
    from mapped
    limit 100000
) as found
