-- What the statements below are about.
select
    set_config('analytics.source_tables', $source_tables, true) as source_tables,
    set_config('analytics.etl_role', $etl_role, true) as etl_role,
    set_config('analytics.wal_limit', $wal_limit, true) as wal_limit;
