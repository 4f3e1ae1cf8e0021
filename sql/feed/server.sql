-- server: what decides about the limit of WAL that slots may keep.
-- grain: one row
-- `is_limit_ours` says that the installation of the slot has set the limit, nobody another one since, and no other
-- slot needs it.
with feed as (
    select
        'analytics_feed_' || pg_database.oid as slot,
        substring(
            obj_description(pg_publication.oid, 'pg_publication') from 'set max_slot_wal_keep_size to (.+)$'
        ) as own_limit
    from pg_database
    left join pg_publication on pg_publication.pubname = 'analytics_feed'
    where pg_database.datname = current_database()
)

select
    current_user::text as role_name,
    current_setting('max_slot_wal_keep_size') <> '-1' as has_wal_limit,
    coalesce(pg_size_bytes(own_limit) = pg_size_bytes(current_setting('max_slot_wal_keep_size')), false)
    and not exists (
        select from pg_replication_slots
        where pg_replication_slots.slot_name <> feed.slot)
        as is_limit_ours
from feed
