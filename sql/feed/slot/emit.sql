-- emit: writes a record to the log that no table has; its commit brings the log before it to disk.
-- grain: one row
-- Without it, the log of a transaction that is idle, or of commits that do not wait for the disk, could stay in
-- memory until the next checkpoint, and decoding reads the disk only.
select (pg_logical_emit_message(true, 'analytics_feed', '') - '0/0'::pg_lsn)::bigint as emitted
