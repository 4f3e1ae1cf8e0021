-- changes: the rows of the change log that the last batch may not have seen; $3 of them at most.
-- grain: one row per row of the log
-- $1 is the xmin of the last batch's snapshot, $2 that snapshot. `is_new`: it did not see the transaction.
select
    log.source,
    log.op::text as op,
    log.key,
    not pg_visible_in_snapshot(log.xid, $2::text::pg_snapshot) as is_new
from analytics_feed.log as log
where log.xid >= $1::text::xid8
order by log.xid
limit $3::text::bigint
