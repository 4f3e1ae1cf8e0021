-- Whether there are ids of which rows may be gone at the source.
-- grain: one row
select count(*) > 0 as has_gone_touched
from staging.gone_touched_of_fact;
