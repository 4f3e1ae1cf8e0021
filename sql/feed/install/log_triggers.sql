-- log_triggers: a function per table, and four triggers of it on the table and on each of its partitions.
-- A statement on a partition fires that partition's triggers and not those of its partitioned table. The arguments of
-- the triggers tell the ETL which table and which columns the keys are of.
-- The function belongs to the owner of the table: it runs with the rights of its owner, and calls what the types of
-- the key bring with them. Where a column of the key was renamed or dropped it logs that the keys are unknown, so
-- that the messenger's statement does not fail.
do $$
declare
    followed record;
    part oid;
    event record;
    stale record;
    function_name text;
    expression text;
    arguments text;
begin
    for followed in
        select distinct on (tables.root_oid)
            tables.full_name,
            tables.log_columns,
            tables.parts,
            pg_class.relname,
            pg_roles.rolname as owner
        from source_tables as tables
        inner join pg_class on tables.root_oid = pg_class.oid
        inner join pg_roles on pg_class.relowner = pg_roles.oid
        where tables.without_log is null
    loop
        function_name := 'log_' || left(followed.relname, 40) || '_' || left(md5(followed.full_name), 8);
        select
            string_agg(format('%I::text', name), ', ' order by position),
            format('%L', followed.full_name) || string_agg(format(', %L', name), '' order by position)
        into expression, arguments
        from unnest(followed.log_columns) with ordinality as listed (name, position);
        execute format(
            $function$
            create or replace function analytics_feed.%1$I() returns trigger
            language plpgsql security definer set search_path = pg_catalog, pg_temp
            set datestyle = 'ISO, YMD' set timezone = 'UTC' set intervalstyle = 'postgres' set extra_float_digits = 1
            set bytea_output = 'hex'
            as $body$
            begin
                if tg_op = 'TRUNCATE' or %4$s <> (
                    select count(*) from pg_attribute where attrelid = tg_relid and attname = any(%5$L::name[])
                ) then
                    insert into analytics_feed.log (source, op) values (%2$L, 'T');
                elsif tg_op = 'INSERT' then
                    insert into analytics_feed.log (source, op, key) select %2$L, 'I', array[%3$s] from new_rows;
                elsif tg_op = 'DELETE' then
                    insert into analytics_feed.log (source, op, key) select %2$L, 'D', array[%3$s] from old_rows;
                else
                    insert into analytics_feed.log (source, op, key)
                    select
                        %2$L,
                        (case
                            when not bool_or(changed.is_old) then 'I'
                            when bool_and(changed.is_old) then 'D'
                            else 'U'
                        end)::"char",
                        changed.key
                    from (
                        select array[%3$s] as key, false as is_old from new_rows
                        union all
                        select array[%3$s] as key, true as is_old from old_rows
                    ) as changed
                    group by changed.key;
                end if;
                return null;
            end $body$
            $function$,
            function_name, followed.full_name, expression, cardinality(followed.log_columns), followed.log_columns
        );
        execute format('revoke all on function analytics_feed.%I() from public', function_name);
        foreach part in array followed.parts loop
            for event in
                select *
                from (values
                    ('insert', 'referencing new table as new_rows'),
                    ('update', 'referencing new table as new_rows old table as old_rows'),
                    ('delete', 'referencing old table as old_rows'),
                    ('truncate', '')
                ) as listed (name, tables)
            loop
                execute format(
                    'create or replace trigger %I after %s on %s %s for each statement '
                    'execute function analytics_feed.%I(%s)',
                    'analytics_feed_' || event.name, event.name, part::regclass, event.tables, function_name, arguments
                );
                execute format(
                    'alter table %s enable always trigger %I', part::regclass, 'analytics_feed_' || event.name
                );
            end loop;
        end loop;
        if followed.owner <> current_user then
            execute format('grant usage, create on schema analytics_feed to %I', followed.owner);
            execute format('alter function analytics_feed.%I() owner to %I', function_name, followed.owner);
            execute format('revoke create on schema analytics_feed from %I', followed.owner);
            execute format('grant insert on analytics_feed.log to %I', followed.owner);
        end if;
    end loop;
    -- What an earlier installation made for tables and partitions that are no longer among these.
    for stale in
        select
            pg_trigger.tgname,
            pg_trigger.tgrelid::regclass as relation
        from pg_trigger
        inner join pg_proc on pg_trigger.tgfoid = pg_proc.oid
        where
            pg_proc.pronamespace = to_regnamespace('analytics_feed')
            and not pg_trigger.tgisinternal
            and not exists (
                select
                from source_tables as tables
                where tables.without_log is null and pg_trigger.tgrelid = any(tables.parts)
            )
    loop
        execute format('drop trigger %I on %s', stale.tgname, stale.relation);
    end loop;
    for stale in
        select pg_proc.oid::regprocedure as signature
        from pg_proc
        left join pg_trigger on pg_proc.oid = pg_trigger.tgfoid
        where
            pg_proc.pronamespace = to_regnamespace('analytics_feed')
            and pg_proc.prorettype = 'trigger'::regtype
            and pg_trigger.oid is null
    loop
        execute format('drop function %s', stale.signature);
    end loop;
end $$;
