-- log: takes away the triggers, their functions and the log.
do $$
declare
    each record;
begin
    if obj_description(to_regnamespace('analytics_feed'), 'pg_namespace') like 'messenger-analytics%' then
        for each in
            select
                pg_trigger.tgname,
                pg_trigger.tgrelid::regclass as relation
            from pg_trigger
            inner join pg_proc on pg_trigger.tgfoid = pg_proc.oid
            where pg_proc.pronamespace = to_regnamespace('analytics_feed') and not pg_trigger.tgisinternal
            order by pg_trigger.tgrelid
        loop
            execute format('drop trigger %I on %s', each.tgname, each.relation);
        end loop;
        for each in
            select oid::regprocedure as signature
            from pg_proc
            where pronamespace = to_regnamespace('analytics_feed') and prorettype = 'trigger'::regtype
        loop
            execute format('drop function %s', each.signature);
        end loop;
        drop function if exists analytics_feed.forget(xid8, integer);
        drop table if exists analytics_feed.log, analytics_feed.forgotten;
    end if;
end $$;
