-- forgotten: up to which transaction rows may have been removed from the change log, as xid8.
-- grain: one row
select forgotten.before::text::bigint as before_xid
from analytics_feed.forgotten
