-- The names of the columns that a SELECT returns; no row is read.
-- grain: none
select mapped.*
from mapped
limit 0
