-- The ids of all rows of a dimension.
-- grain: as the dimension's
select dimension_id
from mapped
