-- Counts the rows of a dimension.
-- grain: one row, with a null day
select
    null::timestamptz as day,
    count(*) as row_count
from mapped
