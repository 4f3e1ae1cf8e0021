-- slot_checks: stops, before anything is changed, where a slot cannot be installed or would endanger the messenger.
-- The setting analytics.wal_limit is what max_slot_wal_keep_size is set to after the installation; empty = nothing.
do $$
declare
    wal_limit constant text := current_setting('analytics.wal_limit');
    etl_role constant text := current_setting('analytics.etl_role');
    slot constant name := (
        select 'analytics_feed_' || oid from pg_database where datname = current_database()
    );
    ours constant text := 'messenger-analytics%';
    is_superuser constant boolean := (select rolsuper from pg_roles where rolname = current_user);
    problems text[] := '{}';
    names text;
begin
    if current_setting('server_version_num')::integer < 150000 then
        problems := problems || format(
            'PostgreSQL %s publishes whole rows only: a list of columns needs PostgreSQL 15 or later',
            current_setting('server_version')
        );
    end if;
    if current_setting('wal_level') <> 'logical' then
        problems := problems || format(
            'wal_level is %s: run "alter system set wal_level = logical" and restart the server',
            current_setting('wal_level')
        );
    end if;
    if not exists (select from pg_replication_slots where slot_name = slot)
        and (select count(*) from pg_replication_slots) >= current_setting('max_replication_slots')::integer
    then
        problems := problems || format(
            'all %s replication slots are in use: raise max_replication_slots and restart the server, or drop one',
            current_setting('max_replication_slots')
        );
    end if;
    if exists (
        select
        from pg_replication_slots
        where slot_name = slot and (plugin is distinct from 'pgoutput' or database is distinct from current_database())
    ) then
        problems := problems || format('the slot %s exists and is another one: drop or rename it', slot);
    end if;

    if current_setting('max_slot_wal_keep_size') = '-1' then
        if wal_limit = '' then
            problems := problems || text 'max_slot_wal_keep_size is -1: a slot that nobody reads would keep WAL until '
                'the disk is full; run "alter system set max_slot_wal_keep_size = ''10GB''" and "select '
                'pg_reload_conf()", with what the disk can spare';
        elsif not is_superuser
            and not has_parameter_privilege(current_user, 'max_slot_wal_keep_size', 'alter system')
        then
            problems := problems || format(
                'max_slot_wal_keep_size is -1, and only a superuser may set it: run "alter system set '
                'max_slot_wal_keep_size = %L" and "select pg_reload_conf()" as one', wal_limit
            );
        else
            select string_agg(slot_name, ', ' order by slot_name) into names
            from pg_replication_slots
            where slot_name <> slot;
            if names is not null then
                problems := problems || format(
                    'max_slot_wal_keep_size is -1, and a limit would apply to the slots %s as well: set one that '
                    'suits them', names
                );
            end if;
        end if;
    end if;

    if exists (
        select
        from pg_publication
        where pubname = 'analytics_feed' and obj_description(oid, 'pg_publication') not like ours is not false
    ) then
        problems := problems || text 'the publication analytics_feed exists and is another one: rename it';
    end if;
    if exists (
        select
        from pg_roles
        where
            rolname = 'analytics_feed'
            and (rolcanlogin or rolsuper or shobj_description(oid, 'pg_authid') not like ours is not false)
    ) then
        problems := problems || text 'the role analytics_feed exists and is another one: rename it';
    end if;

    if not exists (select from source_tables where without_slot is null) then
        problems := problems || text 'none of the mapping''s tables can be published';
    end if;
    select string_agg(distinct tables.full_name, ', ') into names
    from source_tables as tables
    where tables.without_slot is null and not pg_has_role(current_user, tables.owner_oid, 'usage');
    if names is not null then
        problems := problems || format('%s does not own %s: run it as their owner', current_user, names);
    end if;
    if not is_superuser and not exists (
        select
        from pg_roles
        where
            rolname = current_user
            and rolreplication
            and rolcreaterole
            and current_setting('server_version_num')::integer >= 160000
    ) then
        problems := problems || format(
            '%s may not create a role with REPLICATION: a superuser may, and from PostgreSQL 16 on a role with '
            'CREATEROLE and REPLICATION', current_user
        );
    end if;

    if cardinality(problems) > 0 then
        raise exception 'the slot cannot be installed: %', array_to_string(problems, '; ')
            using errcode = 'object_not_in_prerequisite_state',
                hint = 'Nothing was changed. Correct this, and run it again.';
    end if;
end $$;
