-- The rows of a dimension at given places (ctid).
-- grain: as the dimension's
select
    dimension_columns,
    true as is_new
from mapped
where place = any((select current_setting('analytics.places'))::tid[])
