-- schema: what both feeds share. The schema belongs to the role that installs it; its objects are for the ETL's role.
do $$
declare
    etl_role constant text := current_setting('analytics.etl_role');
begin
    if to_regrole(format('%I', etl_role)) is null then
        raise exception 'the role % does not exist', etl_role
            using errcode = 'undefined_object',
                hint = 'Create it (`source role` prints how), or name the role of DATABASE_URL with --role.';
    end if;
    if not has_database_privilege(current_database(), 'create') then
        raise exception '% may not create a schema in the database %', current_user, current_database()
            using errcode = 'insufficient_privilege',
                hint = format('Run "grant create on database %I to %I" as the owner of the database.',
                    current_database(), current_user);
    end if;
    if to_regnamespace('analytics_feed') is null then
        create schema analytics_feed;
        comment on schema analytics_feed is 'messenger-analytics: which rows of the messenger changed, by their keys';
    elsif obj_description(to_regnamespace('analytics_feed'), 'pg_namespace') not like 'messenger-analytics%' is not false
    then
        raise exception 'the schema analytics_feed exists and is another one'
            using errcode = 'duplicate_schema', hint = 'Rename it, and run this again.';
    end if;
    execute format('grant usage on schema analytics_feed to %I', etl_role);
end $$;
