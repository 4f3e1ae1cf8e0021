-- changes: the messages of the slot's stream up to the LSN $1; about $2 of them at most.
-- grain: one row per message
select changes.data
from analytics_feed.changes('0/0'::pg_lsn + $1::text::numeric, $2::text::integer) as changes
