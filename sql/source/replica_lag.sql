-- replica_lag: how many bytes of log the slowest replica has yet to replay; read on a standby, its own.
-- grain: one row; lag_bytes is null where there is no replica
-- Without pg_read_all_stats a replica shows that it is there, and nothing else.
select
    case
        when pg_is_in_recovery() then pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
        else (select max(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)) from pg_stat_replication)
    end::bigint as lag_bytes,
    (
        select count(*)
        from pg_stat_replication
        where state is null
    ) as hidden_replicas
