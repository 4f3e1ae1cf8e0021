-- snapshot: what this transaction sees, of which database, as of when.
-- grain: one row
-- On a standby "now" is the commit time of the last transaction it has replayed.
select
    pg_current_snapshot()::text as snapshot,
    pg_snapshot_xmin(pg_current_snapshot())::text::bigint as snapshot_xmin,
    pg_snapshot_xmax(pg_current_snapshot())::text::bigint as snapshot_xmax,
    case when pg_is_in_recovery() then pg_last_xact_replay_timestamp() else now() end as seen_at,
    pg_backend_pid() as backend_pid,
    (select system_identifier::text from pg_control_system()) as system_identifier,
    (select timeline_id from pg_control_checkpoint()) as timeline,
    (
        select oid::text || ' ' || datname::text from pg_database
        where datname = current_database()
    ) as database
