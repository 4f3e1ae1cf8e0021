-- installed: which feeds this database has anything of.
-- grain: one row
with functions as (
    select coalesce(array_agg(pg_proc.proname::text), '{}') as names
    from pg_proc
    inner join pg_namespace on pg_proc.pronamespace = pg_namespace.oid
    where pg_namespace.nspname = 'analytics_feed'
)

select
    names && '{begin,changes,advance}' as slot,
    'forget' = any(names) as log
from functions
