-- existing: which of the source tables in $1, a JSON array of names, exist and may be read by the role.
-- grain: one row per such table
select
    expected.source_name,
    pg_class.relkind::text as kind
from jsonb_array_elements_text($1::jsonb) as expected (source_name)
inner join pg_class on to_regclass(expected.source_name) = pg_class.oid
where has_any_column_privilege(pg_class.oid, 'select')
