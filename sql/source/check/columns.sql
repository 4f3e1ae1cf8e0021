-- columns: the columns of the tables in $1, a JSON array of `schema.name` without quotes.
-- grain: one row per column
-- `average_bytes` is what ANALYZE found; null where it never ran or the role may not read the column.
select
    pg_attribute.attname::text as column_name,
    concat_ws('.', pg_namespace.nspname, pg_class.relname) as relation_name,
    pg_attribute.atttypid in ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype) as is_text,
    pg_stats.avg_width as average_bytes
from jsonb_array_elements_text($1::jsonb) as expected (name)
inner join pg_class on pg_class.relkind in ('r', 'p', 'v', 'm', 'f')
inner join pg_namespace
    on
        pg_class.relnamespace = pg_namespace.oid
        and concat_ws('.', pg_namespace.nspname, pg_class.relname) = expected.name
inner join pg_attribute
    on pg_class.oid = pg_attribute.attrelid and pg_attribute.attnum > 0 and not pg_attribute.attisdropped
left join pg_stats
    on
        pg_namespace.nspname = pg_stats.schemaname
        and pg_class.relname = pg_stats.tablename
        and pg_attribute.attname = pg_stats.attname
        and not pg_stats.inherited
order by relation_name, pg_attribute.attnum
