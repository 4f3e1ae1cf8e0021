-- Counts the rows of a fact or of memberships in the warehouse.
-- grain: one row
select count(*) as row_count
from core.fact;
