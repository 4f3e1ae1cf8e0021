-- fresh_xid: takes a transaction id: whatever has begun to write before has a lower one.
-- grain: one row
-- The xmax of a snapshot is no such bound: it follows the last transaction that has ended, so one that runs may have
-- that id or a higher one.
select pg_current_xact_id()::text::bigint as fresh_xid
