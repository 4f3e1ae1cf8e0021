-- state: whether the change log exists in this database, and may be read.
-- grain: one row
with parts as (
    select
        pg_class.relname::text as name,
        has_schema_privilege(pg_class.relnamespace, 'usage') and has_table_privilege(pg_class.oid, 'select')
            as is_usable
    from pg_class
    inner join pg_namespace on pg_class.relnamespace = pg_namespace.oid
    where pg_namespace.nspname = 'analytics_feed' and pg_class.relname in ('log', 'forgotten')
    union all
    select
        pg_proc.proname::text as name,
        has_function_privilege(pg_proc.oid, 'execute') as is_usable
    from pg_proc
    inner join pg_namespace on pg_proc.pronamespace = pg_namespace.oid
    where pg_namespace.nspname = 'analytics_feed' and pg_proc.proname = 'forget'
)

select
    pg_is_in_recovery() as is_standby,
    count(*) = 3 as is_installed,
    coalesce(bool_and(is_usable), false) as is_readable
from parts
