-- names: the full names of the source tables in $1, a JSON array of names as SQL writes them.
-- grain: one row per such table that exists
select
    expected.source_name,
    format('%I.%I', pg_namespace.nspname, pg_class.relname) as full_name
from jsonb_array_elements_text($1::jsonb) as expected (source_name)
inner join pg_class on to_regclass(expected.source_name) = pg_class.oid
inner join pg_namespace on pg_class.relnamespace = pg_namespace.oid
order by expected.source_name
