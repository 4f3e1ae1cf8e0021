-- replica_lag: how many bytes of log the slowest replica has yet to replay; read on a standby, its own.
-- grain: one row; null where there is no replica, or none that this role may see
select
    case
        when pg_is_in_recovery() then pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
        else (select max(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)) from pg_stat_replication)
    end::bigint as lag_bytes
