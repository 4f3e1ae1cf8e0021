-- retained: how much of the source's log the slot keeps from being removed, and how much it may.
-- grain: one row, or none where there is no slot
-- `limit_bytes` is null where there is no limit. A slot that was given up keeps nothing.
select
    slots.slot_name::text as slot_name,
    slots.wal_status,
    coalesce(
        pg_wal_lsn_diff(
            case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end,
            slots.restart_lsn
        )::bigint,
        0
    ) as retained_bytes,
    nullif(pg_settings.setting::bigint, -1) * 1024 * 1024 as limit_bytes
from pg_replication_slots as slots
inner join pg_database on slots.slot_name::text = 'analytics_feed_' || pg_database.oid
cross join pg_settings
where pg_database.datname = current_database() and pg_settings.name = 'max_slot_wal_keep_size'
