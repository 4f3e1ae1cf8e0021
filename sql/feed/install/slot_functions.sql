-- slot_functions: what the ETL's role may do with the slot, without REPLICATION and without reading WAL itself.
-- They belong to a role that cannot log in. `pg_temp` comes last, so that no temporary table of the caller stands
-- for one of the catalog.
do $$
begin
    if to_regrole('analytics_feed') is null then
        create role analytics_feed nologin replication;
        comment on role analytics_feed is 'messenger-analytics: owns the functions of the schema analytics_feed';
    end if;
end $$;

drop function if exists
analytics_feed.begin(),
analytics_feed.changes(pg_lsn, integer),
analytics_feed.advance(pg_lsn),
analytics_feed.slot_name();

create function analytics_feed.slot_name() returns name
language sql stable set search_path = pg_catalog, pg_temp
as $$
    select 'analytics_feed_' || oid from pg_catalog.pg_database where datname = current_database()
$$;

create function analytics_feed.begin(out slot_lsn pg_lsn)
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    slot constant name := analytics_feed.slot_name();
begin
    if pg_is_in_recovery() then
        raise exception 'the server is a standby, and the slot is one of the primary';
    end if;
    if current_setting('max_slot_wal_keep_size') = '-1' then
        raise exception 'max_slot_wal_keep_size is -1: a slot that nobody reads would fill the disk'
            using hint = 'Set it to what the disk can spare: alter system set max_slot_wal_keep_size = ''10GB''.';
    end if;
    perform pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = slot and wal_status = 'lost';
    if not exists (select from pg_replication_slots where slot_name = slot) then
        perform pg_create_logical_replication_slot(slot, 'pgoutput');
    end if;
    select confirmed_flush_lsn into slot_lsn from pg_replication_slots where slot_name = slot;
end $$;

create function analytics_feed.changes(upto pg_lsn, at_most integer default null)
returns table (lsn pg_lsn, xid xid, data bytea)
language sql security definer set search_path = pg_catalog, pg_temp
set datestyle = 'ISO, YMD' set timezone = 'UTC' set intervalstyle = 'postgres' set extra_float_digits = 1
set bytea_output = 'hex'
as $$
    select lsn, xid, data
    from pg_logical_slot_peek_binary_changes(
        analytics_feed.slot_name(), upto, at_most, 'proto_version', '1', 'publication_names', 'analytics_feed'
    )
$$;

create function analytics_feed.advance(upto pg_lsn) returns pg_lsn
language sql security definer set search_path = pg_catalog, pg_temp
as $$
    select end_lsn from pg_replication_slot_advance(analytics_feed.slot_name(), upto)
$$;
