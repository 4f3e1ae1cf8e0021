-- log_end: where the log ends, and up to where it is on disk.
-- grain: one row
select
    (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint as inserted,
    (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint as flushed
