-- slot_grants: the functions belong to the role with REPLICATION, and only the ETL's role may call them.
do $$
declare
    functions constant text := 'analytics_feed.begin(), analytics_feed.changes(pg_lsn, integer), '
        'analytics_feed.advance(pg_lsn), analytics_feed.slot_name()';
    each text;
    is_member constant boolean := pg_has_role(current_user, 'analytics_feed', 'usage');
begin
    if not is_member then
        execute format('grant analytics_feed to %I', current_user);
    end if;
    -- Who gets a function must be allowed to create one there.
    grant usage, create on schema analytics_feed to analytics_feed;
    foreach each in array array['begin()', 'changes(pg_lsn, integer)', 'advance(pg_lsn)'] loop
        execute format('alter function analytics_feed.%s owner to analytics_feed', each);
    end loop;
    revoke create on schema analytics_feed from analytics_feed;
    execute format('revoke all on function %s from public', functions);
    grant execute on function analytics_feed.slot_name() to analytics_feed;
    execute format('grant execute on function %s to %I', functions, current_setting('analytics.etl_role'));
    if not is_member then
        execute format('revoke analytics_feed from %I', current_user);
    end if;
end $$;
