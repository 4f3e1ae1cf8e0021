-- Counts the rows of a source table, but no more than $1.
-- grain: one row
select count(*) as row_count
from (
    select source_row.ctid
    from source_table as source_row
    limit $1::bigint
) as found
