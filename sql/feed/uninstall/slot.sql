-- slot: takes away the publication and the functions; nothing that somebody else made under the same name.
do $$
declare
    slot constant name := (
        select 'analytics_feed_' || oid from pg_database where datname = current_database()
    );
    reader integer;
begin
    select active_pid into reader from pg_replication_slots where slot_name = slot;
    if reader is not null then
        raise exception 'the slot % is in use by process %', slot, reader
            using errcode = 'object_in_use',
                hint = 'Nothing was changed. Stop the ETL, or wait until its cycle has ended, and run this again.';
    end if;
    if exists (
        select
        from pg_publication
        where pubname = 'analytics_feed' and obj_description(oid, 'pg_publication') like 'messenger-analytics%'
    ) then
        drop publication analytics_feed;
    end if;
    if obj_description(to_regnamespace('analytics_feed'), 'pg_namespace') like 'messenger-analytics%' then
        drop function if exists
            analytics_feed.begin(), analytics_feed.changes(pg_lsn, integer), analytics_feed.advance(pg_lsn),
            analytics_feed.slot_name();
    end if;
end $$;
