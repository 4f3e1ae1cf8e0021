-- schema: taken away with the last of what was installed in it.
do $$
begin
    if
        obj_description(to_regnamespace('analytics_feed'), 'pg_namespace') like 'messenger-analytics%'
        and not exists (select from pg_class where relnamespace = to_regnamespace('analytics_feed'))
        and not exists (select from pg_proc where pronamespace = to_regnamespace('analytics_feed'))
    then
        drop schema analytics_feed;
    end if;
end $$;
