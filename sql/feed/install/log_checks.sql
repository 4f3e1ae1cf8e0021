-- log_checks: stops, before anything is changed, where the log cannot be installed.
do $$
declare
    names text;
begin
    if current_setting('server_version_num')::integer < 150000 then
        raise exception 'PostgreSQL % is too old for the log', current_setting('server_version')
            using errcode = 'feature_not_supported', hint = 'It needs PostgreSQL 15 or later.';
    end if;
    if not exists (select from source_tables where without_log is null) then
        raise exception 'none of the mapping''s tables can be followed by triggers'
            using hint = 'The comments above name the reasons.';
    end if;
    select string_agg(distinct tables.full_name, ', ') into names
    from source_tables as tables
    where tables.without_log is null and not pg_has_role(current_user, tables.owner_oid, 'usage');
    if names is not null then
        raise exception '% does not own %', current_user, names
            using errcode = 'insufficient_privilege', hint = 'Run it as the owner of the messenger''s tables.';
    end if;
end $$;
