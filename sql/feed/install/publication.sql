-- publication: the key of each table that can be published, and nothing else of its rows.
do $$
declare
    tables text;
begin
    select string_agg(distinct format(
        '%s (%s)', followed.full_name,
        (select string_agg(format('%I', name), ', ') from unnest(followed.slot_columns) as listed (name))
    ), ', ') into tables
    from source_tables as followed
    where followed.without_slot is null;

    if exists (select from pg_publication where pubname = 'analytics_feed') then
        alter publication analytics_feed
        set (publish = 'insert, update, delete, truncate', publish_via_partition_root = true);
        execute format('alter publication analytics_feed set table %s', tables);
    else
        execute format(
            'create publication analytics_feed for table %s with (publish_via_partition_root = true)', tables
        );
        comment on publication analytics_feed is 'messenger-analytics: keys only';
    end if;
    if current_setting('max_slot_wal_keep_size') = '-1' then
        execute format(
            'comment on publication analytics_feed is %L',
            'messenger-analytics: keys only; set max_slot_wal_keep_size to ' || current_setting('analytics.wal_limit')
        );
    end if;
end $$;
