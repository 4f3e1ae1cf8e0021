-- Counts the rows of a dimension in the warehouse that the source has.
-- grain: one row
select count(*) as row_count
from core.dimension
where in_source;
