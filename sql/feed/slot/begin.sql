-- begin: creates the slot.
-- grain: one row
select (created.slot_lsn - '0/0'::pg_lsn)::bigint as slot_lsn
from analytics_feed.begin() as created
