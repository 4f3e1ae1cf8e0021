-- role_and_slot: the role, unless another database of the server needs it, and at last the slot itself.
-- Dropping a slot cannot be rolled back, so nothing that can fail follows.
do $$
declare
    slot constant name := (
        select 'analytics_feed_' || oid from pg_database where datname = current_database()
    );
begin
    if exists (
        select
        from pg_roles
        where rolname = 'analytics_feed' and shobj_description(oid, 'pg_authid') like 'messenger-analytics%'
    ) then
        if to_regnamespace('analytics_feed') is not null then
            revoke all on schema analytics_feed from analytics_feed;
        end if;
        if not exists (
            select
            from pg_shdepend
            where refclassid = 'pg_authid'::regclass and refobjid = 'analytics_feed'::regrole
        ) then
            drop role analytics_feed;
        end if;
    end if;
    perform pg_drop_replication_slot(slot_name)
    from pg_replication_slots
    where slot_name = slot and plugin = 'pgoutput' and database = current_database();
end $$;
