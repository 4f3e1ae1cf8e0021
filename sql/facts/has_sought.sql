-- Whether there is a key to look for in the day files.
-- grain: one row
select count(*) > 0 as has_sought
from staging.sought_fact;
